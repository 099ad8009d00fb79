"""What a training tells while it runs: a CSV file, and lines of progress."""

from __future__ import annotations

import csv
import os
import time
from collections.abc import Callable
from pathlib import Path

from transformers import TrainerCallback, TrainerState


class Log(TrainerCallback):
    """What is measured, as a CSV file that spreadsheets and pandas read.

    Parameters
    ----------
    path
        Of the file. When it is there, a training that was stopped goes on, and so does its clock.
    """

    COLUMNS = ('step', 'epoch', 'seconds', 'loss', 'learning_rate', 'grad_norm', 'eval_loss',
               'eval_exact_match', 'eval_macro_f1', 'eval_hamming_loss')

    def __init__(self, path: Path) -> None:
        self._path = path
        self._started = time.monotonic() - self._before()

    @property
    def seconds(self) -> float:
        """Duration of the training so far, of all its parts."""
        return time.monotonic() - self._started

    def _before(self) -> float:
        if not self._path.exists():
            return 0.0
        text = self._path.read_text(encoding='utf-8', errors='replace').replace('\0', '')
        if not text.endswith('\n'):  # what comes next must not go on in a torn line
            with open(self._path, 'a', encoding='utf-8') as stream:
                stream.write('\n')
        seconds = 0.0
        for row in csv.DictReader(text.splitlines()):
            try:
                seconds = max(seconds, float(row['seconds']))
            except (KeyError, TypeError, ValueError):  # a line that a stop tore
                continue
        return seconds

    def on_train_begin(self, args, state, control, **kwargs):
        """Forget what a stopped training did after its last checkpoint: it is done again."""
        if not state.is_world_process_zero or not self._path.exists():
            return
        text = self._path.read_text(encoding='utf-8', errors='replace').replace('\0', '')
        header, *lines = text.splitlines(keepends=True) or ['']
        kept = [line for line in lines if (step := line.partition(',')[0]).isdigit()
                and int(step) <= state.global_step]
        scratch = self._path.with_suffix('.partial')
        scratch.write_text(''.join([header, *kept]), encoding='utf-8')
        os.replace(scratch, self._path)

    def on_log(self, args, state, control, logs=None, **kwargs):
        if not state.is_world_process_zero:
            return
        new = not self._path.exists()
        row = {'step': state.global_step, 'seconds': round(self.seconds, 1),
               **(logs or {})}
        with open(self._path, 'a', encoding='utf-8', newline='') as stream:
            writer = csv.DictWriter(stream, self.COLUMNS, extrasaction='ignore')
            if new:
                writer.writeheader()
            writer.writerow(row)


class Passes(TrainerCallback):
    """Tells whoever counts passes which one it is, also in the middle of one after a stop.

    Parameters
    ----------
    counting
        Things with an ``epoch``.
    """

    def __init__(self, *counting) -> None:
        self._counting = counting

    def on_epoch_begin(self, args, state, control, **kwargs):
        for each in self._counting:
            each.epoch = int((state.epoch or 0.0) + 1e-6)


class SaveOften(TrainerCallback):
    """A checkpoint every few minutes as well, so that a stop costs no more than that.

    Parameters
    ----------
    seconds
        Between two checkpoints.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._last = time.monotonic()

    def on_step_end(self, args, state, control, **kwargs):
        # Not at the end of an epoch: it is saved after its evaluation, or that would be left out by
        # a training that goes on from here.
        ends = abs(state.epoch - round(state.epoch)) < 1e-6
        if time.monotonic() - self._last >= self._seconds and not ends:
            control.should_save = True

    def on_save(self, args, state, control, **kwargs):
        self._last = time.monotonic()


class StopWithoutGain(TrainerCallback):
    """Ends a training after so many epochs without a better exact match.

    Unlike transformers' own, it counts by what the checkpoints keep, so that a training which goes on
    after a stop ends where it would have ended.

    Parameters
    ----------
    patience
        Epochs.
    """

    def __init__(self, patience: int) -> None:
        self._patience = patience

    def on_evaluate(self, args, state, control, **kwargs):
        if exhausted(state, self._patience):
            control.should_training_stop = True


def exhausted(state: TrainerState, patience: int) -> bool:
    """Whether the last ``patience`` epochs brought no better exact match; never with 0."""
    found = [entry['eval_exact_match'] for entry in state.log_history
             if 'eval_exact_match' in entry]
    return bool(found and patience) and len(found) - 1 - found.index(max(found)) >= patience


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
