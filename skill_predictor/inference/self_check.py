"""Does an engine answer as the model did when it was released?

An engine may load, give finite numbers, and be wrong: a fault of a driver, a compiler or a processor. A
released model brings a dozen texts with PyTorch's answers, which every engine has to give again before it serves.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .errors import BackendError
from .store import ReleasedModel
from .tokenizer import batch_ids, TaskTokenizer

TOLERANCES = {'fp32': 0.005, 'fp16': 0.02, 'int8': 0.25}
"""Most that a probability may differ, by precision. Rounding alone moved none of 2,156 tasks by more than
0.000003, 0.002 and 0.17."""


def check_answers(model: ReleasedModel, run, precision: str, batches: Sequence[int] = (1,)) -> None:
    """Compare an engine's answers with those that were released.

    Parameters
    ----------
    model
        With at least one example.
    run
        See :meth:`skill_predictor.inference.backends.base.Backend.run`.
    precision
        In which the engine computes.
    batches
        Sizes of batches to try: an engine may have a program for each.

    Raises
    ------
    BackendError
        When it answers otherwise.
    """
    tokenizer = TaskTokenizer.of(model)
    rows = [tokenizer.tokenize(example.text) for example in model.examples]
    expected = np.array([example.probabilities for example in model.examples]).swapaxes(0, 1)
    for size in sorted({min(size, len(rows)) for size in batches}):
        for start in range(0, len(rows), size):
            part = rows[start:start + size]
            found = run([batch_ids(part, encoder.token_ids) for encoder in model.encoders])
            for encoder, said, true in zip(model.encoders, found, expected[:, start:start + size]):
                # NaN is no small difference either.
                off = float(np.abs(np.asarray(said, dtype=np.float64) - true).max())
                if not off <= TOLERANCES[precision]:
                    raise BackendError(
                        f'{encoder.name} in {precision} does not answer as it did when the model was released: a '
                        f'probability is off by {off:.3f} (batch of {len(part)}); rounding explains at most '
                        f'{TOLERANCES[precision]}. Try another precision or engine')
