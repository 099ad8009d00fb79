"""What a training tells while it runs: a CSV file, and lines of progress."""

from __future__ import annotations

import csv
import time
from collections.abc import Callable
from pathlib import Path

from transformers import TrainerCallback


class Log(TrainerCallback):
    """What is measured, as a CSV file that spreadsheets and pandas read."""

    COLUMNS = ('step', 'epoch', 'seconds', 'loss', 'learning_rate', 'grad_norm', 'eval_loss',
               'eval_exact_match', 'eval_macro_f1', 'eval_hamming_loss')

    def __init__(self, path: Path) -> None:
        self._path = path
        self._started = time.monotonic()

    def on_log(self, args, state, control, logs=None, **kwargs):
        if not state.is_world_process_zero:
            return
        new = not self._path.exists()
        row = {'step': state.global_step, 'seconds': round(time.monotonic() - self._started, 1),
               **(logs or {})}
        with open(self._path, 'a', encoding='utf-8', newline='') as stream:
            writer = csv.DictWriter(stream, self.COLUMNS, extrasaction='ignore')
            if new:
                writer.writeheader()
            writer.writerow(row)


class Lines(TrainerCallback):
    """Progress as lines, where there is no terminal for a bar."""

    def __init__(self, name: str, say: Callable[[str], None]) -> None:
        self._name = name
        self._say = say
        self._started = self._first = 0.0
        self._last = 0.0

    def on_train_begin(self, args, state, control, **kwargs):
        self._started = self._last = time.monotonic()
        self._first = state.global_step

    def on_step_end(self, args, state, control, **kwargs):
        now = time.monotonic()
        if now - self._last < 60 or not state.is_world_process_zero:
            return
        self._last = now
        steps = state.global_step - self._first
        left = (state.max_steps - state.global_step) * (now - self._started) / steps
        self._say(f'{self._name}: epoch {state.epoch:.2f} of {args.num_train_epochs:g}, '
                  f'about {left / 60:.0f} min left')

    def on_evaluate(self, args, state, control, metrics=None, **kwargs):
        if state.is_world_process_zero and metrics:
            self._say(f'{self._name}: after epoch {state.epoch:.0f} of {args.num_train_epochs:g}, '
                      f'validation: exact match {metrics["eval_exact_match"]:.4f}, '
                      f'macro F1 {metrics["eval_macro_f1"]:.4f}')
