"""The inference thread: fairness, bounds, failures. The predictor is a stand-in under our control."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest

from skill_predictor.inference.batching import BatchingWorker
from skill_predictor.inference.errors import ModelError, QueueFullError, TextError
from skill_predictor.inference.grouping import groups_of_like_length

WAIT_S = 10.0


class StandIn:
    """Answers with the text's number; runs only while ``gate`` is open."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Event()
        self.batches: list[list[float]] = []
        self.threads: set[int] = set()
        self.closed_by: int | None = None
        self.failure: Exception | None = None

    def groups(self, lengths):
        return groups_of_like_length(lengths)

    def tokenize(self, text):
        if text == 'bad':
            raise TextError('this text is bad')
        return [float(text)]

    def probabilities(self, rows):
        self.threads.add(threading.get_ident())
        self.batches.append([row[0] for row in rows])
        self.entered.set()
        assert self.gate.wait(WAIT_S)
        if self.failure:
            raise self.failure
        numbers = np.array([row[0] for row in rows], np.float32)
        return np.repeat(numbers[:, None], 6, axis=1)

    def close(self):
        self.closed_by = threading.get_ident()


class Inbox:
    """Collects the answers to one request."""

    def __init__(self) -> None:
        self.done = threading.Event()
        self.answers = []

    def __call__(self, answers) -> None:
        assert not self.done.is_set(), 'answered twice'
        self.answers = answers
        self.done.set()

    def wait(self):
        assert self.done.wait(WAIT_S), 'never answered'
        return self.answers

    @property
    def numbers(self):
        return [answer.probabilities[0] for answer in self.wait()]


@pytest.fixture
def predictor():
    return StandIn()


@pytest.fixture
def make(predictor):
    workers = []

    def make(**options) -> BatchingWorker:
        worker = BatchingWorker(lambda: predictor, **options)
        workers.append(worker)
        worker.start()
        return worker

    yield make
    predictor.gate.set()
    for worker in workers:
        worker.stop()


def block(worker, predictor) -> Inbox:
    """Occupy the thread with one task, so that what is submitted now waits together."""
    predictor.gate.clear()
    predictor.entered.clear()
    inbox = Inbox()
    worker.submit(['-1'], inbox)
    assert predictor.entered.wait(WAIT_S)
    return inbox


def numbers(start: int, count: int) -> list[str]:
    return [str(number) for number in range(start, start + count)]


def test_answers_come_in_the_order_of_the_texts(make):
    worker, inbox = make(max_batch=7), Inbox()
    worker.submit(numbers(0, 100), inbox)
    assert inbox.numbers == list(range(100))
    assert all(0 <= answer.inference_s <= answer.latency_s for answer in inbox.answers)
    assert {answer.batch_size for answer in inbox.answers} == {7, 2}


def test_what_waits_is_batched_and_each_request_has_its_turn(make, predictor):
    worker = make(max_batch=4)
    first = block(worker, predictor)
    large, small, other = Inbox(), Inbox(), Inbox()
    worker.submit(numbers(0, 6), large)
    worker.submit(['100'], small)
    worker.submit(numbers(200, 2), other)
    predictor.gate.set()
    for inbox in (first, large, small, other):
        inbox.wait()
    assert predictor.batches[1:] == [[0, 100, 200, 1], [201, 2, 3, 4], [5]]
    assert large.numbers == list(range(6)) and other.numbers == [200, 201]


def test_queue_is_bounded_and_a_request_is_taken_whole_or_not_at_all(make, predictor):
    worker = make(queue_size=5)
    block(worker, predictor)
    taken, refused, fits = Inbox(), Inbox(), Inbox()
    worker.submit(numbers(0, 3), taken)
    with pytest.raises(QueueFullError, match='3 tasks wait, 3 more do not fit into queue_size 5'):
        worker.submit(numbers(10, 3), refused)
    worker.submit(numbers(20, 2), fits)
    assert worker.depth == 5 and worker.statistics.refused == 1
    predictor.gate.set()
    assert taken.numbers == [0, 1, 2] and fits.numbers == [20, 21]
    assert not refused.done.is_set() and worker.depth == 0
    assert 10.0 not in sum(predictor.batches, [])


def test_bad_text_costs_only_its_own_answer(make, predictor):
    worker, inbox = make(), Inbox()
    worker.submit(['1', 'bad', '3'], inbox)
    answers = inbox.wait()
    assert [answer.error for answer in answers] == ['', 'this text is bad', '']
    assert np.isnan(answers[1].probabilities).all() and answers[1].batch_size == 0
    assert predictor.batches == [[1, 3]] and answers[0].batch_size == 2
    assert worker.statistics.unreadable == 1 and worker.statistics.answered == 2


def test_only_bad_texts_never_reach_the_engine(make, predictor):
    inbox = Inbox()
    make().submit(['bad', 'bad'], inbox)
    assert len(inbox.wait()) == 2 and not predictor.batches


def test_failing_engine_is_reported_and_the_thread_goes_on(make, predictor):
    heard, message = [], 'RuntimeError: the GPU is gone'
    worker, inbox, again = make(on_failure=heard.append), Inbox(), Inbox()
    predictor.failure = RuntimeError('the GPU is gone')
    worker.submit(['1', '2'], inbox)
    assert all(message in answer.error for answer in inbox.wait())
    assert all(np.isnan(answer.probabilities).all() for answer in inbox.answers)
    assert len(heard) == 1 and message in heard[0] and worker.statistics.failed == 2
    predictor.failure = None
    worker.submit(['3'], again)
    assert again.numbers == [3] and not again.answers[0].error


def test_failing_consumer_does_not_end_the_thread(make):
    heard = []
    worker, inbox = make(on_failure=heard.append), Inbox()

    def broken(answers):
        raise ValueError('nobody home')

    worker.submit(['1'], broken)
    worker.submit(['2'], inbox)
    assert inbox.numbers == [2] and 'nobody home' in heard[0]


def test_stop_answers_what_still_waits(make, predictor):
    worker = make(max_batch=1)
    first, waiting = block(worker, predictor), Inbox()
    worker.submit(numbers(0, 3), waiting)
    stopping = threading.Thread(target=worker.stop)
    stopping.start()
    until = time.monotonic() + WAIT_S
    while not worker._stopping:
        assert time.monotonic() < until
        time.sleep(0.001)
    predictor.gate.set()
    stopping.join(WAIT_S)
    assert not stopping.is_alive()
    assert first.numbers == [-1], 'what is in work is finished'
    assert [answer.error for answer in waiting.wait()] == ['the predictor is stopping'] * 3
    with pytest.raises(QueueFullError, match='stopping'):
        worker.submit(['5'], Inbox())


def test_a_slow_consumer_keeps_nothing_from_the_encoders(make, predictor):
    worker, first, second = make(), Inbox(), Inbox()
    called, slow = threading.Event(), threading.Event()

    def take_long(answers):
        called.set()
        assert slow.wait(WAIT_S)
        first(answers)

    worker.submit(['1'], take_long)
    assert called.wait(WAIT_S)
    predictor.entered.clear()
    worker.submit(['2'], second)
    assert predictor.entered.wait(WAIT_S)
    assert not worker.drain(0.01), 'what is not delivered is not done'
    slow.set()
    assert (first.numbers, second.numbers) == ([1], [2])
    assert worker.drain(WAIT_S)


@pytest.fixture
def stuck(make):
    """A worker whose consumer does not come back before ``stuck.free`` is set."""
    worker = make(queue_size=5)
    worker.free = threading.Event()
    yield worker
    worker.free.set()


def test_answers_that_nobody_takes_do_not_pile_up(stuck):
    accepted = 0
    with pytest.raises(QueueFullError, match='wait to be sent'):
        for _ in range(1000):
            stuck.submit(['1'], lambda answers: stuck.free.wait(WAIT_S))
            accepted += 1
            until = time.monotonic() + WAIT_S
            while stuck.unsent < accepted:  # the queue in front of the encoders is not what fills
                assert time.monotonic() < until
                time.sleep(0.001)
    assert accepted == stuck.unsent == 6 and stuck.depth == 0
    stuck.free.set()
    assert stuck.drain(WAIT_S) and stuck.unsent == 0


def test_a_delivery_that_hangs_is_told(stuck):
    stuck.submit(['1'], lambda answers: stuck.free.wait(WAIT_S))
    assert not stuck.stop(1.0) and stuck.left_behind == 'delivery'
    stuck.free.set()
    assert stuck.stop(WAIT_S) and not stuck.left_behind


@pytest.mark.parametrize('name', ['inference', 'delivery'])
def test_too_few_threads_are_told_to_the_caller(make, predictor, monkeypatch, name):
    start = threading.Thread.start

    def refuse(thread):
        if thread.name == name:
            raise RuntimeError("can't start new thread")
        start(thread)
    monkeypatch.setattr(threading.Thread, 'start', refuse)
    worker = BatchingWorker(lambda: predictor)
    with pytest.raises(RuntimeError, match='new thread'):
        worker.start()
    assert worker.stop(WAIT_S)


def test_predictor_is_loaded_used_and_closed_by_one_thread(predictor):
    loaded_by = []

    def load():
        loaded_by.append(threading.get_ident())
        return predictor

    worker, inbox = BatchingWorker(load), Inbox()
    worker.start()
    worker.submit(['1'], inbox)
    inbox.wait()
    worker.stop()
    assert {*loaded_by, *predictor.threads, predictor.closed_by} == {loaded_by[0]}
    assert loaded_by[0] != threading.get_ident()


def test_failed_load_is_raised_to_the_caller():
    def load():
        raise ModelError('no model')

    worker = BatchingWorker(load)
    with pytest.raises(ModelError, match='no model'):
        worker.start()
    with pytest.raises(QueueFullError):
        worker.submit(['1'], Inbox())


def test_drain_waits_for_work_in_hand(make, predictor):
    worker = make()
    inbox = block(worker, predictor)
    assert not worker.drain(0.05)
    predictor.gate.set()
    assert worker.drain(WAIT_S) and inbox.done.is_set()


def test_nothing_submitted_is_answered_at_once(make, predictor):
    worker, inbox = make(), Inbox()
    worker.submit([], inbox)
    assert inbox.wait() == [] and not predictor.batches


def test_latency_percentiles(make):
    worker, inbox = make(), Inbox()
    assert np.isnan(worker.statistics.latency_percentiles_ms(50)).all()
    worker.submit(numbers(0, 50), inbox)
    inbox.wait()
    worker.drain(WAIT_S)
    p50, p99 = worker.statistics.latency_percentiles_ms(50, 99)
    assert 0 < p50 <= p99 < WAIT_S * 1e3


@pytest.mark.parametrize('options', [{'max_batch': 0}, {'queue_size': 0}])
def test_impossible_options_are_refused(options):
    with pytest.raises(ValueError, match='at least 1'):
        BatchingWorker(StandIn, **options)


def test_unexpected_fault_of_the_tokeniser_costs_only_its_task(make, predictor):
    def tokenize(text):
        if text == 'odd':
            raise RuntimeError('a bug')
        return [float(text)]

    predictor.tokenize = tokenize
    worker, inbox = make(), Inbox()
    worker.submit(['1', 'odd', '3'], inbox)
    assert [answer.error for answer in inbox.wait()] == ['', 'not readable: RuntimeError: a bug', '']


class Words(StandIn):
    """Rows as long as the text."""

    def tokenize(self, text):
        return [float(len(text))] * len(text)


def test_short_texts_are_answered_before_long_ones_of_the_same_batch(make, predictor):
    predictor.tokenize = Words().tokenize
    worker = make(max_batch=32)
    first = block(worker, predictor)
    order = []
    worker.submit(['x' * 200, 'x' * 190], lambda answers: order.append('long'))
    worker.submit(['x' * 9], lambda answers: order.append('short'))
    last = Inbox()
    worker.submit(['x' * 10], last)
    predictor.gate.set()
    first.wait()
    assert worker.drain(WAIT_S)
    assert order == ['short', 'long'] and last.answers[0].batch_size == 2
    assert predictor.batches[1:] == [[9, 10], [190, 200]]


def test_a_batch_is_bounded_in_text_as_well(make, predictor):
    """So that what comes meanwhile does not wait for thirty-two of the longest texts."""
    predictor.tokenize = lambda text: [1.0] * 3
    worker = make(max_batch=32)
    first = block(worker, predictor)
    inbox = Inbox()
    worker.submit(['x' * 1000] * 32, inbox)
    predictor.gate.set()
    first.wait()
    inbox.wait()
    assert [len(batch) for batch in predictor.batches[1:]] == [6, 6, 6, 6, 6, 2]


def test_what_waits_can_be_given_up(make, predictor):
    worker = make(max_batch=2)
    first = block(worker, predictor)
    half, none = Inbox(), Inbox()
    worker.submit(numbers(0, 3), half)
    worker.submit(numbers(10, 2), none)
    assert worker.give_up('no time left') == 5 and worker.depth == 0
    assert {answer.error for answer in half.wait() + none.wait()} == {'no time left'}
    predictor.gate.set()
    assert first.numbers == [-1]
    after = Inbox()
    worker.submit(['7'], after)
    assert after.numbers == [7], 'the worker goes on'


def test_an_engine_that_hangs_is_seen_from_outside(make, predictor):
    worker = make()
    assert worker.working_for_s is None
    first = block(worker, predictor)  # its thread is in the engine, and waits for an event
    early = worker.working_for_s
    time.sleep(0.02)
    assert 0 <= early < worker.working_for_s < WAIT_S
    predictor.gate.set()
    first.wait()
    assert worker.drain(WAIT_S) and worker.working_for_s is None
    predictor.failure = ModelError('broken')
    failed = Inbox()
    worker.submit(['1'], failed)
    assert 'broken' in failed.wait()[0].error and worker.drain(WAIT_S)
    assert worker.working_for_s is None
