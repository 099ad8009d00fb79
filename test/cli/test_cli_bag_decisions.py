"""Two thousand tasks, of which each is decided otherwise: what stands in a bag is decided as in a file."""

from __future__ import annotations

import json
import random
import tracemalloc

import pytest

for module in ('rosbags', 'sklearn', 'scipy', 'matplotlib', 'jinja2'):
    pytest.importorskip(module)

import numpy as np  # noqa: E402

from skill_predictor.cli import main  # noqa: E402
from skill_predictor.dataset.records import TaskRecord, write_tasks  # noqa: E402
from skill_predictor.evaluation.bags.reading import Bag  # noqa: E402
from skill_predictor.evaluation.bags.writing import write_bag  # noqa: E402
from skill_predictor.inference.backends import BackendOptions  # noqa: E402
from skill_predictor.inference.predictor import SkillPredictor  # noqa: E402
from skill_predictor.taxonomy import SKILLS  # noqa: E402
from tiny_model import dividing_thresholds, many_texts, write_tiny_model  # noqa: E402

COUNT = 2000


@pytest.fixture(scope='module')
def model(tmp_path_factory):
    """A model of random weights, and the thresholds at which it decides by the text."""
    where = tmp_path_factory.mktemp('model')
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('SKILL_PREDICTOR_CACHE', str(where / 'cache'))
        tiny = write_tiny_model(where, seed=1)
        patch.setenv('SKILL_PREDICTOR_ENCODERS', str(tiny.encoders))
        predictor = SkillPredictor.load(tiny.folder, options=BackendOptions('fp32', threads=1))
        probabilities = np.stack([said.probabilities for said in predictor.predict(many_texts(COUNT))])
        thresholds = dividing_thresholds(probabilities)
        over = probabilities > [thresholds[skill] for skill in SKILLS]
        assert len({tuple(row) for row in over.tolist()}) > 20
        options = ['--model', tiny.folder, '--encoders', tiny.encoders, '--precision', 'fp32',
                   '--threads', 1]
        for skill, value in thresholds.items():
            options += ['--threshold', f'{skill}={value!r}']
        yield options


@pytest.fixture(scope='module')
def tasks():
    """Tasks with random labels."""
    chance = random.Random(3)
    return [TaskRecord(f't-{number}', text, tuple(skill for skill in SKILLS if chance.random() < 0.5))
            for number, text in enumerate(many_texts(COUNT))]


@pytest.fixture(scope='module')
def evaluated(model, tasks, tmp_path_factory):
    """Folder of the tasks, and of what ``evaluate`` says of them."""
    where = tmp_path_factory.mktemp('evaluated')
    write_tasks(tasks, where / 'tasks.jsonl')
    assert main(list(map(str, ['evaluate', '--input', where / 'tasks.jsonl', *model, '--json',
                               where / 'file.json', '--output', where / 'vectors.jsonl']))) == 0
    return where


@pytest.mark.parametrize('storage, compression', [
    ('mcap', 'none'), ('mcap', 'message'), ('sqlite3', 'none'), ('sqlite3', 'file')])
def test_a_bag_is_decided_as_the_file_it_came_from(cli, model, evaluated, tmp_path, storage, compression):
    done = cli('bag', 'record-demo', evaluated / 'tasks.jsonl', '--output', tmp_path / 'bag',
               '--storage', storage, '--compression', compression, '--period', 0.1)
    assert done.code == 0, done.err
    done = cli('bag', 'evaluate', tmp_path / 'bag', *model, '--json', tmp_path / 'bag.json')
    assert done.code == 0, done.err
    expected = [json.loads(line) for line in (evaluated / 'vectors.jsonl').read_text().splitlines()]
    found = json.loads((tmp_path / 'bag.json').read_text())
    assert [(row['id'], row['required']) for row in found['rows']] == [
        (row['id'], row['skills']) for row in expected]
    assert [row['right'] for row in found['rows']] == [
        row['skills'] == row['label'] for row in expected]
    figures = json.loads((evaluated / 'file.json').read_text())
    for name in ('exact_match', 'macro_f1', 'hamming_loss', 'skills'):
        assert found['figures']['accuracy'][name] == figures[name]
    assert 0 < figures['exact_match'] < 0.1, 'labels are random'


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
def test_a_bag_is_read_as_a_stream(tmp_path, storage):
    """A bag of ten times the tasks takes no more memory while it is read."""
    peaks = []
    for count in (500, 5000):
        path = tmp_path / str(count)
        write_bag(path, (TaskRecord(f't-{number}', f'{number} ' + 'sweep ' * 300, ('wheels',))
                         for number in range(count)), storage=storage)
        tracemalloc.start()
        with Bag(path) as bag:
            assert sum(1 for _ in bag.events()) == 2 * count
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + 3_000_000, peaks  # the texts alone are 18 MB of it, each twice
