"""What the predictor's diagnostics make of its worker's counters and its engine, without a node."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from skill_predictor.inference.answers import Statistics
from skill_predictor.inference.predictor import SkillPredictor
from skill_predictor.nodes.diagnostics import ERROR, OK, WARN
from skill_predictor.nodes.predictor import SkillPredictorNode

pytestmark = pytest.mark.ros

TROUBLE = 'the GPU failed; the CPU has taken over'
REASONS = {'last_failure': 'inference failed: no memory', 'last_refusal': 'the queue is full',
           'last_unreadable': 'the text is empty'}
FAILED, REFUSED, UNREAD = (ERROR, 'inference failed: no memory'), (
    WARN, '2 requests refused: the queue is full'), (WARN, '3 tasks not read: the text is empty')


class Judge:
    """As much of a node as remembers what it has reported."""

    def __init__(self) -> None:
        self.node = SimpleNamespace(_reported=(0, 0, 0))
        self.counts, self.trouble = Statistics(), ''
        self.working_for_s: float | None = None

    def count(self, failed: int = 0, refused: int = 0, unreadable: int = 0) -> None:
        self.counts.failed += failed
        self.counts.refused += refused
        self.counts.unreadable += unreadable
        for name, reason in REASONS.items():
            setattr(self.counts, name, reason)

    def report(self, level: bytes = OK, message: str = 'active') -> tuple[bytes, str]:
        worker = SimpleNamespace(statistics=self.counts, working_for_s=self.working_for_s, predictor=SimpleNamespace(
            backend=SimpleNamespace(trouble=self.trouble)))
        return SkillPredictorNode._judge(self.node, worker, level, message)


@pytest.fixture
def judge():
    return Judge()


@pytest.mark.parametrize('happened, said', [
    ({}, (OK, 'active')),
    ({'failed': 1}, FAILED),
    ({'refused': 2}, REFUSED),
    ({'unreadable': 3}, UNREAD),
    ({'failed': 1, 'refused': 2, 'unreadable': 3}, FAILED),
    ({'refused': 2, 'unreadable': 3}, REFUSED)])
def test_what_happened_is_said_once(judge, happened, said):
    judge.count(failed=5, refused=5, unreadable=5)
    judge.report()
    judge.count(**happened)
    assert judge.report() == said
    assert judge.report() == (OK, 'active')


@pytest.mark.parametrize('happened', [{}, {'refused': 2, 'unreadable': 3}])
def test_trouble_with_the_engine_is_said_as_long_as_it_lasts(judge, happened):
    judge.trouble = TROUBLE
    judge.count(**happened)
    assert [judge.report() for _ in range(2)] == [(WARN, TROUBLE)] * 2
    judge.count(failed=1)
    assert judge.report() == FAILED
    judge.trouble = ''
    assert judge.report() == (OK, 'active')


@pytest.mark.parametrize('level, message', [(OK, 'active'), (WARN, 'inactive')])
def test_an_engine_that_does_not_come_back_is_said_until_it_does(judge, level, message):
    judge.count(refused=2)
    judge.trouble = TROUBLE
    judge.working_for_s = 12.3
    hangs = ERROR, 'the engine has not answered for 12 s'
    assert [judge.report(level, message) for _ in range(2)] == [hangs] * 2
    judge.count(failed=1)
    assert judge.report(level, message) == FAILED, 'said once, then it is the turn of what lasts'
    assert judge.report(level, message) == hangs
    judge.trouble, judge.working_for_s = '', None
    assert judge.report(level, message) == (level, message)


def test_an_engine_at_work_is_no_trouble(judge):
    judge.working_for_s = 9.9
    assert judge.report() == (OK, 'active')


@pytest.mark.parametrize('line, info, warned', [
    ('building mpnet', ['building mpnet'], []),
    ('WARNING: tensorrt failed; the CPU takes over', [], ['tensorrt failed; the CPU takes over'])])
def test_what_is_told_goes_to_the_log_by_its_weight(line, info, warned):
    found: dict[str, list[str]] = {'info': [], 'warning': []}
    log = SimpleNamespace(**{level: lines.append for level, lines in found.items()})
    node = SimpleNamespace(get_logger=lambda: log, state='active')
    SkillPredictorNode._tell(node, line)
    assert found == {'info': info, 'warning': warned} and node._step == line


def test_trouble_that_is_there_from_the_start_is_warned_of(monkeypatch):
    backend = SimpleNamespace(device='CPU, int8', trouble='tensorrt could not be loaded: no memory')
    loaded = SimpleNamespace(model=SimpleNamespace(version='v1'), backend=backend, close=lambda: None)
    monkeypatch.setattr(SkillPredictor, 'load', lambda *_: loaded)
    found: dict[str, list[str]] = {'info': [], 'warning': []}
    log = SimpleNamespace(**{level: lines.append for level, lines in found.items()})
    settings = dict.fromkeys(('precision', 'model', 'backend', 'encoders_folder'), 'auto')
    settings.update(dict.fromkeys(('threads', 'offline', 'fallback'), 1), max_batch=1, queue_size=1,
                    max_text_length=99, correct_spelling=True)
    node = SimpleNamespace(settings=settings, get_logger=lambda: log, _tell=None,
                           _create_entities=lambda: None)
    SkillPredictorNode.configure(node)
    node._worker.stop()
    assert 'v1 ready on CPU, int8' in found['info'][0] and found['warning'] == [backend.trouble]


@pytest.mark.parametrize('level, message', [(WARN, 'inactive'), (ERROR, 'configure: no model')])
def test_what_the_lifecycle_says_is_only_covered_by_a_failure(judge, level, message):
    judge.trouble = TROUBLE
    judge.count(refused=2, unreadable=3)
    assert judge.report(level, message) == (level, message)
    judge.count(failed=1)
    assert judge.report(level, message) == FAILED


def test_a_new_worker_begins_to_count_anew(judge):
    judge.count(failed=5, refused=5, unreadable=5)
    judge.report()
    judge.counts = Statistics()
    assert judge.report() == (OK, 'active')
    judge.count(refused=2)
    assert judge.report() == REFUSED
