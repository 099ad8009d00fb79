"""Training: it learns, repeats itself, goes on after a stop, and says what it changed."""

from __future__ import annotations

import copy
import csv
import json
import math
import os
import shutil
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

torch = pytest.importorskip('torch')

from skill_predictor.inference.base_weights import BaseWeights  # noqa: E402
from skill_predictor.inference.known_encoders import KnownEncoder  # noqa: E402
from skill_predictor.inference.store import multiplied  # noqa: E402
from skill_predictor.inference.tokenizer import TaskTokenizer  # noqa: E402
from skill_predictor.training import fit as fitting, trainer  # noqa: E402
from skill_predictor.training.examples import Examples  # noqa: E402
from skill_predictor.training.fit import fit  # noqa: E402
from skill_predictor.training.recipe import Recipe  # noqa: E402
from skill_predictor.training.trainable import prepare  # noqa: E402

FAST = {'encoder': 'minilm', 'trained_layers': 2, 'head_layers': (16,), 'batch_size': 8,
        'encoder_rate': 3e-3, 'head_rate': 1e-2, 'dropout': 0.0, 'head_dropout': 0.0}


@pytest.fixture(scope='module')
def examples():
    """Texts of letters; the third skill is required when an a is there, the others never."""
    rng = np.random.default_rng(0)
    texts = [' '.join(rng.choice(list('abcdefgh'), size=rng.integers(2, 6))) for _ in range(96)]
    targets = np.zeros((96, 6), dtype=np.float32)
    targets[:, 2] = ['a' in text.split() for text in texts]
    return Examples(texts, targets)


def train(tiny, vocabulary, examples, recipe, validation=None, **options):
    known = KnownEncoder('minilm', BaseWeights('tiny/bert', 'r', 'f', ''), tiny.architecture,
                         tiny.token_ids)
    return fit(copy.deepcopy(tiny.module), known, TaskTokenizer(vocabulary, 120), recipe, examples,
               validation, **{'say': lambda line: None, **options})


@pytest.mark.parametrize('changes', [
    {}, {'adapter_rank': 4}, {'pooling': 'attention'}, {'consistency': 0.5, 'dropout': 0.1}],
    ids=lambda changes: next(iter(changes), 'layers'))
def test_it_learns_and_repeats_itself(tiny_encoder, vocabulary, examples, changes):
    def found(seed, epochs):
        recipe = Recipe(**{**FAST, 'epochs': epochs, **changes})
        return train(tiny_encoder, vocabulary, examples, recipe, seed=seed).predict(examples.texts)
    assert ((found(3, 15) >= 0.5) == examples.targets).mean() > 0.98
    once = found(3, 3)
    np.testing.assert_array_equal(once, found(3, 3))
    assert np.abs(found(4, 3) - once).max() > 1e-4


# What is multiplied in bfloat16 is the trainer's affair, not the encoder's.
@pytest.mark.parametrize('tiny_encoder', ['mpnet'], indirect=True)
def test_bfloat16_trains_float32_weights(tiny_encoder, vocabulary, examples, monkeypatch):
    recipe = Recipe(**FAST, epochs=15)
    monkeypatch.setattr(trainer, 'multiplies_bfloat16', lambda: True)
    mixed = train(tiny_encoder, vocabulary, examples, recipe)
    plain = train(tiny_encoder, vocabulary, examples, replace(recipe, mixed_precision=False))
    monkeypatch.setattr(trainer, 'multiplies_bfloat16', lambda: False)
    without = train(tiny_encoder, vocabulary, examples, recipe)
    assert {parameter.dtype for parameter in mixed.network.parameters()} == {torch.float32}
    found, exact = mixed.predict(examples.texts), plain.predict(examples.texts)
    assert ((found >= 0.5) == examples.targets).mean() > 0.98
    assert 0 < np.abs(found - exact).max() < 0.5
    np.testing.assert_array_equal(exact, without.predict(examples.texts))


@pytest.mark.parametrize('text, found', [
    ('processor\t: 0\nflags\t\t: fpu avx512f avx512_bf16 amx_bf16\n', True),
    ('processor\t: 0\nflags\t\t: fpu avx512f avx512_vbmi\n', False), ('', False)])
def test_bfloat16_is_for_processors_that_have_it(monkeypatch, text, found):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    monkeypatch.setattr(trainer.Path, 'read_text', lambda *_, **__: text)
    assert trainer.multiplies_bfloat16() is found


def test_prediction_does_not_depend_on_the_batch(tiny_encoder, vocabulary, examples):
    model = train(tiny_encoder, vocabulary, examples, Recipe(**FAST, epochs=1))
    np.testing.assert_allclose(model.predict(examples.texts, 1), model.predict(examples.texts, 64),
                               atol=1e-6)


@pytest.mark.parametrize('decay', [0.0, 0.5])
@pytest.mark.parametrize('rank', [0, 4])
@pytest.mark.parametrize('layers', [0, 1, 2])
def test_what_changed_makes_the_published_encoder_the_trained_one(
        tiny_encoder, vocabulary, examples, rank, layers, decay):
    recipe = Recipe(**{**FAST, 'trained_layers': layers}, adapter_rank=rank, epochs=2,
                    average_decay=decay)
    model = train(tiny_encoder, vocabulary, examples, recipe)
    changes = multiplied(model.changes(), 'test')
    trained_layers = {name.split('.')[2] for name in changes}
    assert trained_layers == {str(index) for index in range(2 - layers, 2)}
    plain = copy.deepcopy(tiny_encoder.module)
    weights = plain.state_dict()
    for name, change in changes.items():
        assert np.abs(change).max() > 0
        weights[name] = weights[name] + torch.from_numpy(change)
    plain.load_state_dict(weights)
    inputs = {'input_ids': torch.tensor([[5, 6, 7]]), 'attention_mask': torch.ones(1, 3).long()}
    with torch.inference_mode():
        np.testing.assert_allclose(plain(**inputs).last_hidden_state,
                                   model.network.encoder(**inputs).last_hidden_state, atol=1e-4)


def test_adapters_start_as_nothing_and_leave_the_rest_alone(tiny_encoder):
    module = copy.deepcopy(tiny_encoder.module)
    inputs = {'input_ids': torch.tensor([[5, 6, 7]]), 'attention_mask': torch.ones(1, 3).long()}
    with torch.inference_mode():
        before = module(**inputs).last_hidden_state
        prepare(module, Recipe(**{**FAST, 'trained_layers': 1}, adapter_rank=2))
        after = module(**inputs).last_hidden_state
    np.testing.assert_array_equal(before, after)
    trained = [name for name, parameter in module.named_parameters() if parameter.requires_grad]
    assert all('layer.1.' in name for name in trained)
    # six linear layers, two factors each; their biases, and two layer norms
    assert sum('lora_' in name for name in trained) == 12 and len(trained) == 12 + 6 + 4


@pytest.mark.parametrize('bfloat16', [False, True])
def test_best_epoch_is_kept_and_the_log_tells(tiny_encoder, vocabulary, examples, tmp_path,
                                              monkeypatch, bfloat16):
    monkeypatch.setattr(trainer, 'multiplies_bfloat16', lambda: bfloat16)
    recipe = Recipe(**FAST, epochs=12, patience=2)
    lines = []
    model = train(tiny_encoder, vocabulary, examples, recipe, examples, folder=tmp_path,
                  say=lines.append)
    found = [entry['eval_exact_match'] for entry in model.history]
    best = found.index(max(found))
    assert len(found) == min(12, best + 1 + 2)
    exact = ((model.predict(examples.texts) >= 0.5) == examples.targets).all(axis=1).mean()
    assert exact == pytest.approx(max(found)), 'also the figures of mixed precision are float32\'s'
    with open(tmp_path / 'log.csv', encoding='utf-8') as stream:
        rows = list(csv.DictReader(stream))
    assert [row['eval_exact_match'] for row in rows if row['eval_exact_match']] == [
        str(value) for value in found]
    assert any(f'after epoch 1 of 12, validation: exact match {found[0]:.4f}' in line
               for line in lines)


def test_the_recipe_goes_before_the_machines_configuration(monkeypatch, tmp_path):
    """`accelerate launch` hands on what its user once chose for everything."""
    monkeypatch.setenv('ACCELERATE_MIXED_PRECISION', 'fp16')
    monkeypatch.setattr(trainer, 'multiplies_bfloat16', lambda: True)
    for mixed, expected in ((False, 'no'), (True, 'bf16')):
        found = trainer.arguments(Recipe('minilm', mixed_precision=mixed), tmp_path, keeps=False,
                                  seed=0, validates=False)
        assert found.bf16 is mixed and os.environ['ACCELERATE_MIXED_PRECISION'] == expected


def test_a_torn_log_does_not_keep_a_training_from_going_on(tmp_path):
    path = tmp_path / 'log.csv'
    path.write_bytes(b'step,epoch,seconds,loss\n10,0.1,12.5,0.3\n20,0.2\0\0')
    log = fitting.Log(path)
    assert 12.5 <= log.seconds < 60
    log.on_log(None, SimpleNamespace(is_world_process_zero=True, global_step=30), None, {'loss': 0.1})
    assert path.read_text(errors='replace').splitlines()[-1].startswith('30,')


class Stop(Exception):
    """Stands for a machine that is switched off."""


@pytest.mark.parametrize('decay', [0.0, 0.9])
def test_a_stopped_training_goes_on_and_ends_the_same(tiny_encoder, vocabulary, examples, tmp_path,
                                                      monkeypatch, decay):
    recipe = Recipe(**{**FAST, 'dropout': 0.1}, epochs=6, typos=0.5, average_decay=decay)
    whole = train(tiny_encoder, vocabulary, examples, recipe, examples, folder=tmp_path / 'whole')
    calls = 0

    def stops(found):
        nonlocal calls
        calls += 1
        if calls == 4:
            raise Stop
        return original(found)
    original = fitting.metrics
    monkeypatch.setattr(fitting, 'metrics', stops)
    with pytest.raises(Stop):
        train(tiny_encoder, vocabulary, examples, recipe, examples, folder=tmp_path / 'stopped')
    states = (tmp_path / 'stopped' / 'checkpoints').glob('*/trainer_state.json')
    assert max(json.loads(state.read_text())['epoch'] for state in states) == 3
    calls = 10
    resumed = train(tiny_encoder, vocabulary, examples, recipe, examples,
                    folder=tmp_path / 'stopped')
    assert calls == 13, 'three epochs were left'
    np.testing.assert_allclose(resumed.predict(examples.texts), whole.predict(examples.texts),
                               atol=1e-5)


def test_a_training_that_stops_within_an_epoch_goes_on_there(tiny_encoder, vocabulary, examples,
                                                             tmp_path, monkeypatch):
    """Also its texts are changed as if it had never stopped."""
    recipe = Recipe(**{**FAST, 'dropout': 0.1}, epochs=4, typos=0.5)
    whole = train(tiny_encoder, vocabulary, examples, recipe, examples, folder=tmp_path / 'whole')
    per_epoch = -(-len(examples.texts) // recipe.batch_size)
    stop_at = 2 * per_epoch + per_epoch // 2
    steps = 0
    original = fitting.SkillTrainer.training_step

    def counted(self, *arguments, **options):
        nonlocal steps
        if steps == stop_at:
            raise Stop
        steps += 1
        return original(self, *arguments, **options)
    monkeypatch.setattr(fitting, 'SAVE_EVERY_S', 0.0)
    monkeypatch.setattr(fitting.SkillTrainer, 'training_step', counted)
    with pytest.raises(Stop):
        train(tiny_encoder, vocabulary, examples, recipe, examples, folder=tmp_path / 'stopped')
    steps = stop_at + 1
    resumed = train(tiny_encoder, vocabulary, examples, recipe, examples,
                    folder=tmp_path / 'stopped')
    assert steps == 4 * per_epoch + 1, 'no step was made twice'
    np.testing.assert_allclose(resumed.predict(examples.texts), whole.predict(examples.texts),
                               atol=1e-5)


def test_the_log_has_no_step_twice(tmp_path):
    path = tmp_path / 'log.csv'
    log = fitting.Log(path)

    def at(step):
        return SimpleNamespace(is_world_process_zero=True, global_step=step)
    for step in (10, 20, 30):
        log.on_log(None, at(step), None, {'loss': step / 100})
    again = fitting.Log(path)
    again.on_train_begin(None, at(20), None)  # the last checkpoint
    for step in (30, 40):
        again.on_log(None, at(step), None, {'loss': 1.0})
    with open(path, encoding='utf-8') as stream:
        rows = list(csv.DictReader(stream))
    assert [(row['step'], row['loss']) for row in rows] == [
        ('10', '0.1'), ('20', '0.2'), ('30', '1.0'), ('40', '1.0')]


@pytest.mark.parametrize('after', [1, 2])
def test_a_stopped_training_ends_when_it_would_have_ended(tiny_encoder, vocabulary, examples,
                                                          tmp_path, monkeypatch, after):
    """Stopped after one epoch without a gain, or after the second, which decides."""
    values = iter([0.1, 0.5, 0.4, 0.3, 0.9, 0.9])
    monkeypatch.setattr(fitting, 'metrics', lambda found: {
        'exact_match': next(values), 'macro_f1': 0.0, 'hamming_loss': 0.0})
    recipe = Recipe(**FAST, epochs=6, patience=2)

    class Switch(fitting.Log):
        def on_save(self, args, state, control, **kwargs):
            if state.epoch == 2 + after and not resumed:
                raise Stop

    resumed = False
    monkeypatch.setattr(fitting, 'Log', Switch)
    with pytest.raises(Stop):
        train(tiny_encoder, vocabulary, examples, recipe, examples, folder=tmp_path)
    resumed = True
    model = train(tiny_encoder, vocabulary, examples, recipe, examples, folder=tmp_path)
    assert [entry['eval_exact_match'] for entry in model.history] == [0.1, 0.5, 0.4, 0.3]
    best = train(tiny_encoder, vocabulary, examples, Recipe(**FAST, epochs=6, patience=0))
    assert len(best.history) == 0 and next(values) == 0.9, 'no epoch was trained in vain'


def test_a_checkpoint_that_was_not_finished_is_left_out(tiny_encoder, vocabulary, examples, tmp_path):
    recipe = Recipe(**FAST, epochs=2)
    train(tiny_encoder, vocabulary, examples, recipe, examples, folder=tmp_path)
    whole = fitting.last_checkpoint(tmp_path / 'checkpoints')
    (tmp_path / 'checkpoints' / 'checkpoint-99999').mkdir()
    assert fitting.last_checkpoint(tmp_path / 'checkpoints') == whole
    for name, size in (('trainer_state.json', 0), ('trainer_state.json', 20), ('model.safetensors', 0),
                       ('model.safetensors', 500), ('optimizer.pt', 0)):
        torn = tmp_path / 'checkpoints' / 'checkpoint-88888'
        shutil.copytree(whole, torn)
        with open(torn / name, 'r+b') as stream:
            stream.truncate(size)
        assert fitting.last_checkpoint(tmp_path / 'checkpoints') == whole, name
    assert not (tmp_path / 'checkpoints' / 'checkpoint-99999').exists()
    assert fitting.last_checkpoint(tmp_path / 'nothing') is None


def test_without_distractors_there_is_a_warning(tiny_encoder, vocabulary, examples):
    plain = train(tiny_encoder, vocabulary, examples, Recipe(**FAST, epochs=1))
    with pytest.warns(UserWarning, match='has no distractors.txt'):
        found = train(tiny_encoder, vocabulary, examples,
                      Recipe(**FAST, epochs=1, distractor=0.5))
    np.testing.assert_array_equal(found.predict(examples.texts), plain.predict(examples.texts))


def test_the_mean_of_the_weights_is_what_is_kept(tiny_encoder, vocabulary, examples, monkeypatch):
    """Beside a mean computed here, of the weights after every step."""
    means = {}

    class Counted(fitting.Average):
        steps = 0

        def on_step_end(self, args, state, control, **kwargs):
            super().on_step_end(args, state, control, **kwargs)
            for name, now in self._averaged.network.named_parameters():
                now = now.detach().clone()
                share = min(0.8, (1 + self.steps) / (10 + self.steps))
                means[name] = share * means[name] + (1 - share) * now if name in means else now
            self.steps += 1
    monkeypatch.setattr(fitting, 'Average', Counted)
    model = train(tiny_encoder, vocabulary, examples, Recipe(**FAST, epochs=3, average_decay=0.8))
    found = dict(model.network.named_parameters())
    assert found.keys() == means.keys()
    for name, mean in means.items():
        torch.testing.assert_close(found[name].detach(), mean, rtol=1e-4, atol=1e-6)
    last = train(tiny_encoder, vocabulary, examples, Recipe(**FAST, epochs=3))
    assert np.abs(last.predict(examples.texts) - model.predict(examples.texts)).max() > 1e-3


@pytest.mark.parametrize('tiny_encoder', ['bert'], indirect=True)
def test_the_loss_weighs_skills_by_how_rare_they_are(tiny_encoder, vocabulary, examples,
                                                     monkeypatch):
    weights = []
    original = fitting.SkillTrainer._cross_entropy

    def watched(self, logits, labels):
        weights.append(self.positive.tolist())
        return original(self, logits, labels)
    monkeypatch.setattr(fitting.SkillTrainer, '_cross_entropy', watched)
    train(tiny_encoder, vocabulary, examples, Recipe(**FAST, epochs=1, max_positive_weight=2.5))
    present = examples.targets[:, 2].mean()
    expected = [2.5] * 6
    expected[2] = math.sqrt((1 - present) / present)
    assert 1.05 < expected[2] < 2.0
    assert weights[0] == pytest.approx(expected) and weights[-1] == weights[0]


def test_layers_below_learn_more_slowly(tiny_encoder):
    module = copy.deepcopy(tiny_encoder.module)
    recipe = Recipe(**FAST, layer_decay=0.5)
    prepare(module, recipe)
    rates = {}
    for group in trainer.rates(
            fitting.SkillClassifier(module, recipe.pooling, recipe.head_layers), recipe):
        rates.setdefault(group['lr'], []).append(group.get('weight_decay', 'set'))
    assert sorted(rates) == pytest.approx([1.5e-3, 3e-3, 1e-2])
    assert all(sorted(map(str, kinds)) == ['0.0', 'set'] for kinds in rates.values())
