"""Two thousand tasks played at ten times into a real node: each is answered once, and as offline."""

from __future__ import annotations

import json

import pytest

for module in ('rosbags', 'sklearn', 'scipy', 'matplotlib', 'jinja2'):
    pytest.importorskip(module)

import numpy as np  # noqa: E402

from skill_predictor.cli import main  # noqa: E402
from skill_predictor.dataset.records import TaskRecord  # noqa: E402
from skill_predictor.evaluation.bags.writing import write_bag  # noqa: E402
from skill_predictor.inference.backends import BackendOptions  # noqa: E402
from skill_predictor.inference.predictor import SkillPredictor  # noqa: E402
from tiny_model import dividing_thresholds, many_texts  # noqa: E402

pytestmark = pytest.mark.ros

COUNT, PERIOD_S, RATE = 2000, 0.05, 10.0


@pytest.fixture(scope='module')
def thresholds(tiny_model):
    """Per skill; the model's answer then depends on the text."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('SKILL_PREDICTOR_ENCODERS', str(tiny_model.encoders))
        predictor = SkillPredictor.load(tiny_model.folder, options=BackendOptions('fp32', threads=1))
    said = predictor.predict(many_texts(COUNT))
    return dividing_thresholds(np.stack([one.probabilities for one in said]))


@pytest.fixture(scope='module')
def predictor(start_for_module, client, tiny_model, thresholds):
    """The real node, in a process of its own."""
    node = start_for_module(
        'skill_predictor_node', model=str(tiny_model.folder), precision='fp32',
        encoders_folder=str(tiny_model.encoders),
        **{f'thresholds.{skill}': value for skill, value in thresholds.items()})
    client.wait_for_state('skill_predictor', 'active')
    return node


def test_live_is_as_offline(start, predictor, tiny_model, thresholds, tmp_path):
    count = write_bag(
        tmp_path / 'bag', (TaskRecord(f't-{number}', text, ('wheels',))
                           for number, text in enumerate(many_texts(COUNT))),
        period_s=PERIOD_S)
    assert count == COUNT
    node = start('bag_evaluator_node', bag=str(tmp_path / 'bag'), rate=RATE,
                 json=str(tmp_path / 'live.json'))
    options = [f'--threshold={skill}={value!r}' for skill, value in thresholds.items()]
    assert main(['bag', 'evaluate', str(tmp_path / 'bag'), '--json', str(tmp_path / 'offline.json'),
                 '--model', str(tiny_model.folder), '--encoders', str(tiny_model.encoders),
                 '--precision', 'fp32', '--threads', '1', *options]) == 0
    assert node.wait(120) == 0, node.log
    live, offline = (json.loads((tmp_path / f'{name}.json').read_text())
                     for name in ('live', 'offline'))
    assert live['live']['asked'] == live['live']['answered_once'] == COUNT
    assert live['live']['answered_too_often'] == live['live']['of_others'] == 0
    decided = [[(row['id'], row['required'], row['right']) for row in found['rows']]
               for found in (live, offline)]
    assert decided[0] == decided[1]
    assert len({tuple(row['required']) for row in offline['rows']}) > 10
    assert live['figures']['accuracy'] == offline['figures']['accuracy']
    assert live['live']['seconds'] >= COUNT * PERIOD_S / RATE * 0.99
