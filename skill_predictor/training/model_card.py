"""The model card: what a model is, how it was made, and how good it was found to be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields

from ..evaluation.metrics import Scores
from ..taxonomy import SKILLS
from .figures import ENSEMBLE
from .recipe import Recipe
from .runs import Run

_CARD = """\
# {name}

Predicts from a task in plain English which of six physical skills it requires:
{skills}.
The probabilities are the mean of {count}; a skill is required from 0.5.

## How it was made

{encoders}

| | {names} |
| --- | {rules} |
{recipe}

Trained on {train} tasks; the epoch and the temperature that the logits are divided by were chosen on
{validation} others.

```
{command}
```

## Figures

PyTorch, float32, threshold 0.5.

{figures}

## Limits

English only, and tasks like those it was trained on. Check what the robot is going to do where a
wrong answer can hurt somebody.
"""


def model_card(name: str, runs: Sequence[Run], temperatures: Mapping[str, float],
               tasks: Mapping[str, int], figures: Mapping[str, Mapping[str, Scores]],
               command: str) -> str:
    """The card as Markdown.

    Parameters
    ----------
    name
        Of the model.
    runs
        One per encoder.
    temperatures
        By encoder.
    tasks
        How many there are by split.
    figures
        Scores by split and encoder.
    command
        What makes the model again.
    """
    return _CARD.format(
        name=name, skills=', '.join(f'`{skill}`' for skill in SKILLS),
        count=f'{len(runs)} sentence encoders' if len(runs) > 1 else 'one sentence encoder',
        encoders=_encoders(runs), names=' | '.join(run.recipe.encoder for run in runs),
        rules=' | '.join('---:' for _ in runs), recipe=_recipes(runs, temperatures),
        train=f'{tasks["train"]:,}', validation=f'{tasks["validation"]:,}', command=command,
        figures='\n\n'.join(f'**{split}**, {tasks[split]:,} tasks\n\n{scores_table(scores)}'
                            for split, scores in figures.items()))


def scores_table(scores: Mapping[str, Scores]) -> str:
    """A Markdown table with a line per encoder: overall figures, and F1 per skill."""
    header = ['', 'exact match', 'Hamming loss', 'macro F1', *(f'F1 {skill}' for skill in SKILLS)]
    rows = [[f'**{name}**' if name == ENSEMBLE else name, f'{row.exact_match:.3f}',
             f'{row.hamming_loss:.4f}', f'{row.macro_f1:.3f}',
             *(f'{row.skills[skill].f1:.3f}' for skill in SKILLS)] for name, row in scores.items()]
    lines = [header, ['---', *['---:'] * (len(header) - 1)], *rows]
    return '\n'.join(f'| {" | ".join(cells)} |' for cells in lines)


def _encoders(runs: Sequence[Run]) -> str:
    return '\n'.join(
        f'- **{run.recipe.encoder}**: {run.encoder.known.base.repository} at '
        f'`{run.encoder.known.base.revision[:12]}`; trained: the head'
        f'{"".join(f", {part}" for part in run.encoder.unfrozen)}; '
        f'{run.seconds / 60:.0f} minutes' for run in runs)


def _recipes(runs: Sequence[Run], temperatures: Mapping[str, float]) -> str:
    """Every setting that is not the default, a line each, a column per encoder."""
    rows = []
    for setting in fields(Recipe):
        values = [getattr(run.recipe, setting.name) for run in runs]
        if setting.name != 'encoder' and any(value != setting.default for value in values):
            rows.append((setting.name, [_shown(value) for value in values]))
    rows += [('seed', [str(run.seed) for run in runs]),
             ('temperature', [f'{temperatures[run.recipe.encoder]:.2f}' for run in runs])]
    return '\n'.join(f'| {name} | {" | ".join(values)} |' for name, values in rows)


def _shown(value: object) -> str:
    if isinstance(value, tuple):
        return ', '.join(map(str, value))
    return f'{value:g}' if isinstance(value, float) else str(value)
