"""The model card: what a model is, how it was made, and how good it was found to be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields

from ..evaluation.comparison import markdown, signed, SystemScores
from ..markdown import table
from ..taxonomy import SKILLS
from .averaging_trial import FOLDS, PLAIN, WayScore
from .calibration import Calibration
from .recipe import Recipe
from .runs import Run

WATTS_PER_THREAD = 10
"""Of a processor under load, for the estimate of energy; nothing is measured."""
KG_CO2_PER_KWH = 0.48

_CHOSEN = """\
The epoch, the temperature that the logits are divided by (Guo et al. 2017) and the weight in the mean were chosen"""

_SPELLING = """
A word that is in no dictionary and one typing error away from a frequent word of the training tasks (`words.txt`) is
read as that word, but names within a sentence and parts of paths are not. The encoders themselves were trained without that.
"""

_CARD = """\
# {name}

Predicts from a task in plain English which of six physical skills it requires:
{names}.
The probabilities are {count}; a skill is required from 0.5.

## Intended use

To find the robots, or the team, that can do a task which somebody asks for in words: the allocator
gives it to robots that have every required skill. Labels mean what the dataset's labelling guide
says. Not intended: to decide whether a task is safe, allowed or sensible, to tell
robots of equal skills apart, or to judge texts in other languages.

## How it was made

{encoders}

{recipe}
{spelling}
Trained on {train} tasks (`train.jsonl` of the dataset, SHA-256 `{data}`). {chosen}
on {validation} others (**validation**). This training used the other splits for the figures below alone; whether anybody looked at
them while the tasks were made, the dataset's card says.
{ways}
```
{command}
```

(Where the model is there already: with another `--output`, or with `--overwrite`.)

Training took {minutes:.0f} minutes on {threads} processor threads{device}{precision}. At {watts} W a thread
that is about {energy:.2f} kWh, and at {carbon:g} kg of CO2 a kWh (the world's mean of 2023; Ember 2024)
{emitted:.2f} kg; this is computed, not measured.

The method is that of Bong et al. 2026 (arXiv:2605.21242), with changes; the published encoders are under
Apache-2.0.

## Figures

PyTorch, float32 arithmetic with the weights as they are released, threshold 0.5, with 95 % bootstrap
intervals (contrast pairs are drawn together; writers are not, so another writer's tasks may lie outside, as may
another training of the same recipe); where nothing was wrong, Wilson's; p by McNemar's test{against}. What each split holds, the dataset's card says.

{figures}

{first} by skill:

{skills}

As the model runs on a robot (int8, other manners of writing, review bands, calibration): `evaluation.md` beside
this card, where `skill-predictor report` has written one.

## Limits

- English only, one to a few sentences, like the tasks it was trained on. Texts mostly in other alphabets
  are refused; other languages in Latin letters are not, and get answers that mean nothing.
- People may ask in ways that are not among the tasks it was trained on; the dataset's card says where
  those come from. Measure on your own operators' tasks (`skill-predictor evaluate`).
- It reads the text alone: what a fleet knows about the place is not in its answer.
- A probability near 0.5 means that it is unsure; a review band sends such tasks to a person
  (`skill-predictor report` says what that costs, docs/training.md how).
- Check what a robot is going to do where a wrong answer can hurt somebody.
"""


def model_card(name: str, runs: Sequence[Run], calibration: Calibration,
               tasks: Mapping[str, int], figures: Mapping[str, Sequence[SystemScores]],
               command: str, ways: Sequence[WayScore] = ()) -> str:
    """The card as Markdown.

    Parameters
    ----------
    name
        Of the model.
    runs
        One per encoder.
    calibration
        Of the runs, in their order.
    tasks
        How many there are by split.
    figures
        Scores by split, from :func:`skill_predictor.training.ensemble.measure`.
    command
        What makes the model again.
    ways
        From :func:`skill_predictor.training.averaging_trial.try_ways`; empty: not tried.
    """
    return _CARD.format(
        name=name, names=', '.join(f'`{skill}`' for skill in SKILLS),
        count=(f'the {"weighted " if len(set(calibration.weights)) > 1 else ""}mean of '
               f'{len(runs)} sentence encoders' if len(runs) > 1
               else 'those of one sentence encoder'),
        first='The ensemble' if len(runs) > 1 else 'The encoder',
        against=' against the ensemble' if len(runs) > 1 else '',
        encoders=_encoders(runs), recipe=_recipes(runs, calibration), ways=_ways(ways),
        train=f'{tasks["train"]:,}', validation=f'{tasks["validation"]:,}', command=command,
        figures='\n\n'.join(f'**{split}**, {tasks[split]:,} tasks\n\n{markdown(scores)}'
                            for split, scores in figures.items()),
        spelling=_SPELLING if all(run.recipe.correct_spelling for run in runs) else '',
        chosen=_CHOSEN if all(run.recipe.calibrate for run in runs) else 'The epoch was chosen',
        skills=skills_table(figures), data=runs[0].data_sha256.get('train', '')[:12] or 'not noted',
        **_effort(runs))


def skills_table(figures: Mapping[str, Sequence[SystemScores]]) -> str:
    """A Markdown table of the first system's F1 with a line per skill and a column per split."""
    return table(['F1 (95 %)', *figures], [
        [skill, *(scores[0].f1[skill] for scores in figures.values())] for skill in SKILLS])


def _effort(runs: Sequence[Run]) -> dict[str, object]:
    seconds = sum(run.seconds for run in runs)
    threads = sorted({run.threads * run.processes for run in runs})
    energy = WATTS_PER_THREAD / 3.6e6 * sum(run.seconds * run.threads * run.processes for run in runs)
    return {'minutes': seconds / 60, 'threads': ' and '.join(map(str, threads)), 'watts': WATTS_PER_THREAD,
            'precision': ', matrix products in bfloat16' if all(run.bfloat16 for run in runs) else '',
            'device': ' and a GPU (its energy is not counted)' if any(
                run.on_gpu for run in runs) else '',
            'energy': energy, 'carbon': KG_CO2_PER_KWH, 'emitted': energy * KG_CO2_PER_KWH}


def _encoders(runs: Sequence[Run]) -> str:
    return '\n'.join(
        f'- **{run.recipe.encoder}**: {run.encoder.known.base.repository} at '
        f'`{run.encoder.known.base.revision[:12]}`; trained: the head'
        f'{"".join(f", {part}" for part in run.encoder.unfrozen)}; '
        f'{run.seconds / 60:.0f} minutes' for run in runs)


def _recipes(runs: Sequence[Run], calibration: Calibration) -> str:
    """Every setting that is not the default, a line each, a column per encoder."""
    rows = []
    for setting in fields(Recipe):
        values = [getattr(run.recipe, setting.name) for run in runs]
        if setting.name != 'encoder' and any(value != setting.default for value in values):
            rows.append([setting.name, *map(_shown, values)])
    rows += [['seed', *(str(run.seed) for run in runs)],
             ['temperature', *(f'{value:.2f}' for value in calibration.temperatures)],
             ['weight in the mean', *(f'{value:.2f}' for value in calibration.weights)]]
    return table(['', *(run.recipe.encoder for run in runs)], rows)


def _ways(ways: Sequence[WayScore]) -> str:
    if not ways:
        return ''
    rows = [[way.name, f'{way.exact_match:.4f}', '' if way.name == PLAIN else signed(way.difference),
             f'{way.cross_entropy:.4f}', f'{way.calibration_error:.4f}', f'{way.p_value:.2g}'] for way in ways]
    return (f'\nWays to average, by {FOLDS}-fold cross-validation on validation (what is chosen on the other '
            'folds is judged on each):\n\n' + table(
                ['', 'exact match', 'minus the plain mean (95 %)', 'cross-entropy', 'calibration error',
                 'p'], rows) + '\n')


def _shown(value: object) -> str:
    if isinstance(value, tuple):
        return ', '.join(map(str, value))
    return f'{value:g}' if isinstance(value, float) else str(value)
