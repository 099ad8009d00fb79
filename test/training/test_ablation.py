"""Ablations: divided by writer, kept after every variant."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip('torch')
pytest.importorskip('peft')

from skill_predictor.cli import main  # noqa: E402
from skill_predictor.dataset.records import TaskRecord, write_tasks  # noqa: E402
from skill_predictor.training.ablation import divide, read_variants  # noqa: E402
from skill_predictor.training.recipe import read_recipe, RecipeError  # noqa: E402

ABLATION = Path(__file__).resolve().parents[2] / 'models' / 'ablation'
RECIPE = ('encoder: bert\ntrained_layers: 1\nhead_layers: [8]\nepochs: 1\nbatch_size: 8\n')


def tasks(count=60):
    rng = np.random.default_rng(0)
    return [TaskRecord(f't-{index}', ' '.join(rng.choice(['fly', 'dive', 'box', 'deck'], 4)),
                       ('fly',), writer=f'w{index % 6}') for index in range(count)]


@pytest.mark.parametrize('path', sorted(ABLATION.glob('*-variants.yaml')), ids=lambda path: path.stem)
def test_the_variants_that_come_with_the_package(path):
    recipe = path.stem.removesuffix('-variants')
    variants = read_variants(path)
    assert len(variants) >= 4
    changed = {read_recipe(recipe, changes) for changes in variants.values()}
    assert len(changed) == len(variants) and read_recipe(recipe) not in changed


def test_no_writer_is_fitted_and_judges():
    found = [replace(task, text=f'{task.text} for {task.writer}') for task in tasks()]
    division = divide(found, 25, 12)
    fitted, judging = ({text.split()[-1] for text in part.texts}
                       for part in (division.fitted, division.judging))
    assert len(fitted) == 3 and judging and not fitted & judging
    assert len(division.fitted) == 30 and len(division.judging) == 12
    assert divide(found, 25, 12).judging.texts == division.judging.texts
    assert divide(found, 25, 100).judging.texts != division.judging.texts
    assert len(divide(found, 25, 100).judging) == 30
    with pytest.raises(ValueError, match='ask for fewer'):
        divide(found, 55, 12)


def test_the_table_grows_and_goes_on(tiny_ensemble, tmp_path, capsys):
    for split in ('train', 'validation', 'test', 'test_domains'):
        write_tasks(tasks() if split == 'train' else tasks(6), tmp_path / f'{split}.jsonl')
    (tmp_path / 'recipe.yaml').write_text(RECIPE)
    (tmp_path / 'variants.yaml').write_text('adapters: [adapter_rank=2]\n')
    table = tmp_path / 'table.json'
    command = ['ablate', str(tmp_path), '--recipe', str(tmp_path / 'recipe.yaml'), '--variants',
               str(tmp_path / 'variants.yaml'), '--tasks', '20', '--judging', '10', '--encoders',
               str(tiny_ensemble), '--output', str(table)]
    assert main(command) == 0
    found = json.loads(table.read_text())
    rows = found['rows']
    assert [row['variant'] for row in rows] == ['as it is', 'adapters']
    assert rows[1]['changes'] == 'adapter_rank=2' and found['judging'] == 10
    assert rows[0]['p'] is None and 0 <= rows[1]['p'] <= 1
    assert 0 <= rows[0]['exact match, other writers'] <= 1 and rows[0]['loss, validation'] > 0
    capsys.readouterr()
    assert main([*command, '--seeds', '0', '1']) == 0
    assert capsys.readouterr().out.count('variant:') == 2, 'seed 0 is there already'
    assert json.loads(table.read_text())['rows'][:2] == rows
    recipe = (tmp_path / 'recipe.yaml').read_text()
    (tmp_path / 'recipe.yaml').write_text(f'{recipe}correct_spelling: false\n')
    assert main(command) == 0, 'of serving; and tables from before it was a setting have none'
    assert 'correct_spelling' not in found['recipe']
    assert main([*command[:-2], '--judging', '9', '--output', str(table)]) == 2
    assert 'an ablation with another judging' in capsys.readouterr().err
    (tmp_path / 'variants.yaml').write_text('wrong: [adapter_rang=2]\n')
    assert main(command) == 2
    assert 'did you mean adapter_rank' in capsys.readouterr().err


@pytest.mark.parametrize('text', ['- a', 'a: b', 'a: ['])
def test_variants_that_are_none(tmp_path, text):
    (tmp_path / 'v.yaml').write_text(text)
    with pytest.raises(RecipeError, match='v.yaml'):
        read_variants(tmp_path / 'v.yaml')
