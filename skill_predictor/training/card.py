"""The model card: what a model is, how it was made, and how good it was found to be."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ..evaluation.metrics import Scores
from ..taxonomy import SKILLS
from .figures import ENSEMBLE
from .heads import HeadRecipe
from ..inference.known_encoders import KnownEncoder

_CARD = """\
# {name}

Predicts from a task in plain English which of six physical skills it requires:
{skills}.
The probabilities are the mean of {encoder_count}.

## How it was made

The encoders are the published ones, unchanged; only a head of {layer_count} linear layers per
encoder was trained, on {task_count} tasks.

{encoders}

{data}

{recipe}

Command:

```
{command}
```

## Figures

{figures}

## Limits

English only, and tasks like those it was trained on. A probability is not calibrated. Check what
the robot is going to do where a wrong answer can hurt somebody.
"""

_UNMEASURED = ('None. Measure with `--cross-validate` or `--test`, or with '
               '`skill-predictor evaluate`.')


@dataclass(frozen=True)
class DataFile:
    """A file of labelled tasks that a model was trained on."""

    path: str
    tasks: int
    writers: int
    """How many different ones are stated."""
    domains: int


@dataclass(frozen=True)
class Measurement:
    """Scores from one way to measure, for every encoder and the ensemble."""

    how: str
    """A sentence: what the heads were fitted to, and what they were tested on."""
    scores: Mapping[str, Scores]


@dataclass(frozen=True)
class CardFacts:
    """Everything that a card states."""

    name: str
    encoders: Sequence[KnownEncoder]
    data: Sequence[DataFile]
    recipe: HeadRecipe
    seed: int
    command: str
    measurements: Sequence[Measurement] = field(default_factory=tuple)


def model_card(facts: CardFacts) -> str:
    """The card as Markdown."""
    count = len(facts.encoders)
    return _CARD.format(
        name=facts.name, skills=', '.join(f'`{skill}`' for skill in SKILLS),
        encoder_count=f'{count} sentence encoders' if count > 1 else 'one sentence encoder',
        layer_count=len(facts.recipe.hidden_layers) + 1,
        task_count=sum(file.tasks for file in facts.data),
        encoders=_encoder_table(facts.encoders), data=_data_table(facts.data),
        recipe=_recipe_line(facts.recipe, facts.seed), command=facts.command,
        figures='\n\n'.join(map(_measurement, facts.measurements)) or _UNMEASURED)


def scores_table(scores: Mapping[str, Scores]) -> str:
    """Two Markdown tables: the overall figures, and F1 per skill; one line per encoder."""
    overall = [[_title(name), f'{row.exact_match:.3f}', f'{row.hamming_loss:.4f}',
                f'{row.macro_f1:.3f}'] for name, row in scores.items()]
    per_skill = [[_title(name), *(f'{row.skills[skill].f1:.3f}' for skill in SKILLS)]
                 for name, row in scores.items()]
    return '\n\n'.join([
        _table(['', 'exact match', 'Hamming loss', 'macro F1'], overall),
        _table(['F1', *SKILLS], per_skill)])


def _measurement(measurement: Measurement) -> str:
    return (f'{measurement.how}\nPyTorch, float32, threshold 0.5.\n\n'
            f'{scores_table(measurement.scores)}')


def _encoder_table(encoders: Sequence[KnownEncoder]) -> str:
    return _table(['encoder', 'repository', 'revision'], [
        [encoder.name, encoder.base.repository, f'`{encoder.base.revision[:12]}`']
        for encoder in encoders])


def _data_table(files: Sequence[DataFile]) -> str:
    return _table(['data', 'tasks', 'writers', 'domains'], [
        [os.path.basename(file.path), str(file.tasks), str(file.writers or '-'),
         str(file.domains or '-')] for file in files])


def _recipe_line(recipe: HeadRecipe, seed: int) -> str:
    return (f'Hidden layers {", ".join(map(str, recipe.hidden_layers))} with GELU; dropout '
            f'{recipe.dropout:g}; {recipe.epochs} epochs of batches of {recipe.batch_size}; AdamW, '
            f'one-cycle schedule, learning rate {recipe.learning_rate:g}, weight decay '
            f'{recipe.weight_decay:g}; seed {seed}.')


def _title(name: str) -> str:
    return f'**{name}**' if name == ENSEMBLE else name


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ['---'] * len(header), *rows]
    return '\n'.join(f'| {" | ".join(cells)} |' for cells in lines)
