"""One thread that owns the predictor, a bounded queue in front of it, and one thread that delivers.

Whoever has tasks (a topic, a service) hands them over with a callback and goes on. The inference
thread takes what is waiting, one task from each request in turn, so that a request of a thousand tasks
does not hold up a single one, and never sleeps to let a batch fill. Callbacks are called in the other
thread: making and sending a large answer does not keep the next tasks from the encoders.
"""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence

from .answers import Answer, Statistics
from .errors import QueueFullError, TextError
from .predictor import no_probabilities, SkillPredictor

Loader = Callable[[], SkillPredictor]

MAX_BATCH_CHARACTERS = 6000
"""No more is taken from the queue at once (but always one task): a short task that comes meanwhile waits
for so much text, not for the longest texts that ``max_batch`` allows."""


class _Request:
    """Tasks that were submitted together and are answered together."""

    def __init__(self, texts: Sequence[object], on_done: Callable[[list[Answer]], None]) -> None:
        self.texts = list(texts)
        self.answers: list[Answer | None] = [None] * len(self.texts)
        self.next = 0
        self.open = len(self.texts)
        self.arrived = time.perf_counter()
        self.on_done = on_done


class BatchingWorker:
    """Predicts in a thread of its own, and delivers in another.

    Parameters
    ----------
    load
        Makes the predictor. It is called, used and closed in the worker's thread only, since an
        engine's device context belongs to one thread.
    max_batch
        Most tasks that go through the encoders together.
    queue_size
        Most tasks that may wait, over all requests.
    on_failure
        Called with the message of every failed batch or delivery, from one of the two threads.
    """

    def __init__(self, load: Loader, *, max_batch: int = 32, queue_size: int = 4096,
                 on_failure: Callable[[str], None] | None = None) -> None:
        if max_batch < 1 or queue_size < 1:
            raise ValueError('max_batch and queue_size must be at least 1')
        self.max_batch = max_batch
        self.queue_size = queue_size
        self.statistics = Statistics()
        self.predictor: SkillPredictor | None = None
        """The predictor once it is loaded; for reading its description only."""
        self._load = load
        self._on_failure = on_failure or (lambda message: None)
        self._requests: deque[_Request] = deque()
        self._waiting = 0
        self._in_work = 0
        self._undelivered = self._unsent = 0  # requests, and their tasks
        self._engine_began: float | None = None
        self._finished: queue.SimpleQueue[_Request | None] = queue.SimpleQueue()
        self._changed = threading.Condition()
        self._stopping = False
        self._loaded = threading.Event()
        self._load_error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name='inference', daemon=True)
        self._delivery = threading.Thread(target=self._deliver, name='delivery', daemon=True)

    def start(self) -> None:
        """Load the predictor and begin to serve; returns when it is ready.

        Raises
        ------
        Exception
            Whatever ``load`` raised; the worker is then of no further use.
        """
        self._delivery.start()
        try:
            self._thread.start()
        except RuntimeError:  # no more threads
            self._finished.put(None)
            raise
        self._loaded.wait()
        if self._load_error is not None:
            self._thread.join()
            raise self._load_error

    @property
    def depth(self) -> int:
        """Tasks that are waiting."""
        return self._waiting

    @property
    def unsent(self) -> int:
        """Tasks that are answered, but whose answers are not delivered yet."""
        return self._unsent

    @property
    def working_for_s(self) -> float | None:
        """Since when the engine has been at its batch, in seconds; ``None``: it is idle. Never waits."""
        began = self._engine_began
        return None if began is None else time.monotonic() - began

    def submit(self, texts: Sequence[object], on_done: Callable[[list[Answer]], None]) -> None:
        """Queue tasks; all of them or none.

        Parameters
        ----------
        texts
            Raw task descriptions.
        on_done
            Called once, from the delivery thread, with one answer per text, in order. While it
            runs, other answers wait; it must neither raise nor call :meth:`stop`.

        Raises
        ------
        QueueFullError
            When there is no room, the answers of as many tasks wait for delivery, or the worker is
            stopping; nothing was queued.
        """
        request = _Request(texts, on_done)
        with self._changed:
            if self._stopping or not self._thread.is_alive():
                self._refuse('the predictor is stopping')
            if self._waiting + request.open > self.queue_size:
                self._refuse(
                    f'the queue is full: {self._waiting} tasks wait, {request.open} more do not '
                    f'fit into queue_size {self.queue_size}; send fewer at a time or wait')
            if self._unsent > self.queue_size:
                self._refuse(f'the answers of {self._unsent} tasks wait to be sent; who asks for them '
                             'does not take them')
            if request.open:
                self._requests.append(request)
                self._waiting += request.open
                self._changed.notify_all()
            else:
                self._hand_over(request)

    def _refuse(self, message: str) -> None:
        self.statistics.refused += 1
        self.statistics.last_refusal = message
        raise QueueFullError(message)

    def drain(self, timeout_s: float) -> bool:
        """Wait until all that was submitted is delivered; whether that was reached in time."""
        with self._changed:
            return self._changed.wait_for(
                lambda: not (self._waiting or self._in_work or self._undelivered), timeout_s)

    def stop(self, timeout_s: float | None = None) -> bool:
        """End the threads and free the predictor; tasks that still wait are answered with an error.

        Returns
        -------
        bool
            Whether they ended in time; an engine or a delivery that hangs cannot be interrupted,
            and :attr:`left_behind` says which one it is.
        """
        until = None if timeout_s is None else time.monotonic() + timeout_s
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        for thread in (self._thread, self._delivery):
            if thread.is_alive():
                thread.join(None if until is None else max(0.0, until - time.monotonic()))
        return not self.left_behind

    @property
    def left_behind(self) -> str:
        """Name of the thread that did not end: ``inference``, ``delivery``, or empty."""
        return next((thread.name for thread in (self._thread, self._delivery)
                     if thread.is_alive()), '')

    def _report(self, message: str) -> None:
        try:
            self._on_failure(message)
        except Exception:  # a listener's fault must not end the thread
            self.statistics.last_failure = message

    def _run(self) -> None:
        try:
            self.predictor = self._load()
        except BaseException as error:
            self._load_error = error
            self._finished.put(None)
            return
        finally:
            self._loaded.set()
        try:
            while batch := self._take():
                self._answer(batch)
        finally:
            self._abandon()
            self._finished.put(None)
            self.predictor.close()

    def _take(self) -> list[tuple[_Request, int]]:
        """The next batch: one task from each waiting request in turn. Empty: time to stop."""
        with self._changed:
            self._changed.wait_for(lambda: self._requests or self._stopping)
            batch: list[tuple[_Request, int]] = []
            characters = 0
            while (self._requests and len(batch) < self.max_batch
                   and characters < MAX_BATCH_CHARACTERS and not self._stopping):
                request = self._requests.popleft()
                batch.append((request, request.next))
                text = request.texts[request.next]
                characters += len(text) if isinstance(text, str) else 0
                request.next += 1
                if request.next < len(request.texts):
                    self._requests.append(request)
            self._waiting -= len(batch)
            self._in_work = len(batch)
            return batch

    def _answer(self, batch: list[tuple[_Request, int]]) -> None:
        """Run texts of like length together, the short ones first; answers go out run by run."""
        rows: list[tuple[_Request, int, list[int]]] = []
        for request, index in batch:
            try:
                rows.append((request, index, self.predictor.tokenize(request.texts[index])))
            except Exception as error:
                reason = str(error) if isinstance(
                    error, TextError) else f'not readable: {type(error).__name__}: {error}'
                self.statistics.unreadable += 1
                self.statistics.last_unreadable = reason
                self._finish(request, index, _without_prediction(request, reason))
        for group in self.predictor.groups([len(tokens) for _, _, tokens in rows]):
            self._run_together([rows[position] for position in group])
        with self._changed:
            self._in_work = 0
            self._changed.notify_all()

    def _run_together(self, rows: list[tuple[_Request, int, list[int]]]) -> None:
        started = time.perf_counter()
        self._engine_began = time.monotonic()
        try:
            predicted = self.predictor.probabilities([tokens for _, _, tokens in rows])
        except Exception as error:  # the engine failed: say so, and go on with the next
            message = f'inference failed: {type(error).__name__}: {error}'
            self.statistics.failed += len(rows)
            self.statistics.last_failure = message
            self._report(message)
            for request, index, _ in rows:
                self._finish(request, index, _without_prediction(request, message))
            return
        finally:
            self._engine_began = None
        now = time.perf_counter()
        self.statistics.batches += 1
        for (request, index, _), probabilities in zip(rows, predicted):
            answer = Answer(probabilities, '', now - request.arrived, now - started, len(rows))
            self.statistics.answered += 1
            self.statistics.latencies_s.append(answer.latency_s)
            self._finish(request, index, answer)

    def _finish(self, request: _Request, index: int, answer: Answer) -> None:
        with self._changed:  # a transition may give up what the inference thread is not at
            request.answers[index] = answer
            request.open -= 1
            if not request.open:
                self._hand_over(request)

    def _hand_over(self, request: _Request) -> None:
        self._undelivered += 1
        self._unsent += len(request.texts)
        self._finished.put(request)

    def _deliver(self) -> None:
        while (request := self._finished.get()) is not None:
            try:
                request.on_done(request.answers)
            except Exception as error:  # a consumer's fault must not end the thread
                self._report(f'delivery failed: {type(error).__name__}: {error}')
            with self._changed:
                self._undelivered -= 1
                self._unsent -= len(request.texts)
                self._changed.notify_all()

    def give_up(self, reason: str) -> int:
        """Answer what still waits with an error; what is in work goes on.

        Returns
        -------
        int
            How many tasks that were.
        """
        with self._changed:
            requests = list(self._requests)
            self._requests.clear()
            count, self._waiting = self._waiting, 0
            # Within the lock: nothing may come behind the end of deliveries.
            for request in requests:
                for index in range(request.next, len(request.texts)):
                    self._finish(request, index, _without_prediction(request, reason))
            self._changed.notify_all()
        return count

    def _abandon(self) -> None:
        with self._changed:
            self._stopping = True
        self.give_up('the predictor is stopping')


def _without_prediction(request: _Request, reason: str) -> Answer:
    return Answer(no_probabilities(), reason, time.perf_counter() - request.arrived, 0.0, 0)
