"""transformers' Trainer with our loss, batches and learning rates."""

from __future__ import annotations

import os
from pathlib import Path

import torch
from torch import nn
from transformers import EvalPrediction, Trainer, TrainingArguments

from ..evaluation.metrics import score
from ..taxonomy import DEFAULT_THRESHOLD
from .examples import LengthBatches
from .network import SkillClassifier
from .recipe import Recipe
from .trainable import layer_of


class SkillTrainer(Trainer):
    """Minimises binary cross-entropy; ``recipe``, ``batches`` and ``positive`` are set from outside."""

    recipe: Recipe
    batches: LengthBatches
    positive: torch.Tensor

    def get_train_dataloader(self):
        from torch.utils.data import DataLoader
        return self.accelerator.prepare(DataLoader(
            self.train_dataset, batch_sampler=self.batches, collate_fn=self.data_collator))

    def create_optimizer(self, model=None):
        if self.optimizer is None:
            self.optimizer = torch.optim.AdamW(
                rates(getattr(self.model, 'network', self.model), self.recipe),
                weight_decay=self.recipe.weight_decay)
        return self.optimizer

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        labels = inputs['labels']
        reads = {name: value for name, value in inputs.items() if name != 'labels'}
        logits = model(**reads)
        loss = self._cross_entropy(logits, labels)
        if self.recipe.consistency and model.training:
            again = model(**reads)
            loss = (loss + self._cross_entropy(again, labels)) / 2
            loss = loss + self.recipe.consistency * _divergence(logits, again)
        return (loss, {'logits': logits}) if return_outputs else loss

    def prediction_step(self, model, inputs, prediction_loss_only, ignore_keys=None):
        """In float32: mixed precision is put around this one network's ``forward``, not its class's."""
        inputs = self._prepare_inputs(inputs)
        labels = inputs.pop('labels')
        with torch.no_grad():
            logits = type(model).forward(model, **inputs)
            loss = self._cross_entropy(logits, labels)
        return loss, None if prediction_loss_only else logits, labels

    def _cross_entropy(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        targets = labels + self.recipe.label_smoothing * (0.5 - labels)
        return nn.functional.binary_cross_entropy_with_logits(
            logits.float(), targets, pos_weight=self.positive.to(logits.device))


def _divergence(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """Mean of the two Kullback-Leibler divergences of independent yes-no answers."""
    p, q = torch.sigmoid(first.float()), torch.sigmoid(second.float())
    return ((p - q) * (first.float() - second.float())).mean() / 2


def rates(network: SkillClassifier, recipe: Recipe) -> list[dict]:
    """A group of parameters for each learning rate and kind of decay."""
    count = network.encoder.config.num_hidden_layers
    groups: dict[tuple[float, bool], list[nn.Parameter]] = {}
    for name, parameter in network.named_parameters():
        if not parameter.requires_grad:
            continue
        rate = recipe.head_rate
        if name.startswith('encoder.'):
            rate = recipe.encoder_rate * recipe.layer_decay ** (count - 1 - layer_of(name))
        groups.setdefault((rate, parameter.ndim > 1), []).append(parameter)
    return [{'params': members, 'lr': rate} if decays else
            {'params': members, 'lr': rate, 'weight_decay': 0.0}
            for (rate, decays), members in groups.items()]


def arguments(recipe: Recipe, folder: str | os.PathLike, *, keeps: bool, seed: int,
              validates: bool) -> TrainingArguments:
    """Settings of the trainer.

    Parameters
    ----------
    recipe
        How to train.
    folder
        Of checkpoints.
    keeps
        Whether there are any; with validation the best one is taken at the end.
    seed
        Start of all random numbers.
    validates
        Whether validation tells after each epoch.
    """
    gpu = torch.cuda.is_available()
    bfloat16 = recipe.mixed_precision and multiplies_bfloat16()
    # `accelerate launch` sets it by the user's own configuration, and it would go before the recipe.
    os.environ['ACCELERATE_MIXED_PRECISION'] = 'bf16' if bfloat16 else 'no'
    return TrainingArguments(
        output_dir=os.fspath(folder),
        num_train_epochs=recipe.epochs, per_device_train_batch_size=recipe.batch_size,
        per_device_eval_batch_size=64, warmup_steps=recipe.warm_up, lr_scheduler_type='linear',
        max_grad_norm=recipe.max_gradient, seed=seed, data_seed=seed,
        bf16=bfloat16, use_cpu=bfloat16 and not gpu,
        eval_strategy='epoch' if validates else 'no', save_strategy='epoch' if keeps else 'no',
        # Two, since a power cut may spoil the one that was just written.
        save_total_limit=2, load_best_model_at_end=keeps and validates,
        metric_for_best_model='exact_match' if validates else None, greater_is_better=True,
        logging_steps=10, report_to='none', remove_unused_columns=False, label_names=['labels'],
        # R-Drop runs the network twice; buffers are the same everywhere anyway.
        dataloader_pin_memory=gpu, ddp_broadcast_buffers=False)


def multiplies_bfloat16() -> bool:
    """Whether the GPU, or without one the processor, has instructions for products of bfloat16.

    Of processors, those of x86 are known.
    """
    if torch.cuda.is_available():
        return torch.cuda.is_bf16_supported(including_emulation=False)
    try:
        lines = Path('/proc/cpuinfo').read_text(encoding='utf-8', errors='replace').splitlines()
    except OSError:
        return False
    return any(line.startswith('flags') and ' avx512_bf16' in line for line in lines)


def metrics(found: EvalPrediction) -> dict[str, float]:
    """What validation says after an epoch."""
    scores = score(found.label_ids >= DEFAULT_THRESHOLD, found.predictions >= 0.0)
    return {'exact_match': scores.exact_match, 'macro_f1': scores.macro_f1,
            'hamming_loss': scores.hamming_loss}
