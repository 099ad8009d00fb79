"""The predictor node: task descriptions in, skill vectors out."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future

from rclpy.lifecycle import LifecyclePublisher
from std_msgs.msg import String

from skill_predictor.msg import SkillVector, TaskDescription
from skill_predictor.srv import GetModelInfo, PredictSkills

from .. import taxonomy
from ..inference.backends import BackendOptions
from ..inference.answers import Answer
from ..inference.batching import BatchingWorker
from ..inference.errors import BackendError, ModelError, QueueFullError
from ..inference.predictor import SkillPredictor
from . import diagnostics, qos
from .conversions import complete_task, skill_vector
from .deferred import answer_later
from .main import exit_with
from .managed import STEADY, ManagedNode
from .parameters import topic_names
from .predictor_parameters import FIXED_WHILE_CONFIGURED, declare_parameters

DRAIN_TIMEOUT_S = 5.0
MOST_ENGINE_S = 10.0  # at one batch; a GPU that hangs reports no error


class SkillPredictorNode(ManagedNode):
    """Serves one model. See ``predictor_parameters`` for its parameters.

    Topics
    ------
    task_topics (skill_predictor/TaskDescription), text_topics (std_msgs/String) : subscribed
    skill_vectors (skill_predictor/SkillVector), /diagnostics : published

    Services
    --------
    predict_skills (skill_predictor/PredictSkills), get_model_info (skill_predictor/GetModelInfo)
    """

    expected_errors = (ModelError, BackendError, ValueError)
    fixed_parameters = FIXED_WHILE_CONFIGURED
    foreign_parameters = ('fleet.',)  # of the allocator, when one file serves all nodes

    def __init__(self, **kwargs) -> None:
        super().__init__('skill_predictor', **kwargs)
        declare_parameters(self.settings)
        self._worker: BatchingWorker | None = None
        self._serving = False
        self._step = ''
        self._reported = (0, 0, 0)
        self.parameters_declared()
        self._diagnostics = diagnostics.DiagnosticsPublisher(self)
        self.create_timer(self.settings['diagnostics_period_s'], self._publish_diagnostics,
                          clock=STEADY)
        self.create_service(
            GetModelInfo, 'get_model_info', self._on_info, qos_profile=qos.services())

    # Lifecycle ----------------------------------------------------------------------------------

    def configure(self) -> None:
        started, self._step = time.monotonic(), ''
        options = BackendOptions(
            precision=self.settings['precision'], threads=self.settings['threads'],
            encoders_folder=self.settings['encoders_folder'] or None,
            offline=self.settings['offline'], fallback=self.settings['fallback'])
        model, backend = self.settings['model'] or None, self.settings['backend']

        def load() -> SkillPredictor:
            return SkillPredictor.load(model, backend, options, self._tell)

        self._worker = BatchingWorker(
            load, max_batch=self.settings['max_batch'], queue_size=self.settings['queue_size'],
            on_failure=lambda message: self.get_logger().error(message, throttle_duration_sec=5.0))
        self._worker.start()
        predictor = self._worker.predictor
        predictor.max_length = self.settings['max_text_length']
        predictor.correct_spelling = self.settings['correct_spelling']
        predictor.on_mended = lambda written, read: self.get_logger().debug(f'{written!r} is read as {read!r}')
        self._create_entities()
        self.get_logger().info(f'{predictor.model.version} ready on {predictor.backend.device} in '
                               f'{time.monotonic() - started:.1f} s')
        if predictor.backend.trouble:
            self.get_logger().warning(predictor.backend.trouble)

    def _tell(self, line: str) -> None:
        """Progress of what takes minutes, where people look: the log and the diagnostics."""
        if line.startswith('WARNING: '):
            self.get_logger().warning(line.removeprefix('WARNING: '))
        else:
            self.get_logger().info(line)
        self._step = line
        if self.state == 'configuring':
            self._publish_diagnostics()

    def activate(self) -> None:
        self._serving = True

    def deactivate(self) -> None:
        self._serving = False
        self._drain(self._worker)

    def release(self) -> None:
        self._serving = False
        worker = self._worker
        try:
            if worker is not None:
                self._drain(worker)
                if not worker.stop(DRAIN_TIMEOUT_S):
                    what = {'delivery': 'sending answers'}.get(worker.left_behind, 'the engine')
                    self.get_logger().error(f'{what} does not come back; its thread is left behind')
        finally:
            self._worker = None  # not earlier: the last answers are made with its model
            super().release()

    def _drain(self, worker: BatchingWorker) -> None:
        """Finish what has been taken on; what takes too long is answered with an error."""
        if not worker.drain(DRAIN_TIMEOUT_S):
            left = worker.give_up('the predictor was deactivated before this task had its turn')
            if left:
                self.get_logger().warning(f'{left} tasks still waited after {DRAIN_TIMEOUT_S:.0f} s '
                                          'and are not predicted')
            if not worker.drain(DRAIN_TIMEOUT_S) and worker.unsent:
                self.get_logger().warning(f'the answers of {worker.unsent} tasks are not sent yet')

    def _create_entities(self) -> None:
        # Above the queue's size: it is the worker that refuses and counts.
        depth = max(qos.BURST, 2 * self.settings['queue_size'])
        self._vectors = self.keep(self.destroy_lifecycle_publisher, self.create_lifecycle_publisher(
            SkillVector, 'skill_vectors', qos.results(self.settings['history_depth'])))
        for topic, kind, callback in self._sources():
            self.keep(self.destroy_subscription, self.create_subscription(
                kind, topic, callback, qos.tasks(depth)))
        self.keep(self.destroy_service, answer_later(self.create_service(
            PredictSkills, 'predict_skills', self._on_predict, qos_profile=qos.services(depth)),
            self.get_logger()))

    def _sources(self) -> list[tuple[str, type, Callable]]:
        """Topics to subscribe to, with type and callback; each once, or its tasks would be given twice."""
        sources: dict[str, tuple[str, type, Callable]] = {}
        for parameter, kind, callback in (('task_topics', TaskDescription, self._on_task),
                                          ('text_topics', String, self._on_text)):
            for name in topic_names(self.settings[parameter]):
                topic = self.resolve_topic_name(name)
                if topic not in sources:  # kept as it was given: a full name would be remapped again
                    sources[topic] = (name, kind, callback)
                elif sources[topic][1] is kind:
                    self.get_logger().warning(f'{parameter} has {topic} more than once')
                else:
                    raise ValueError(f'{topic} is in task_topics and in text_topics: a topic has one type')
        return list(sources.values())

    # Tasks from topics --------------------------------------------------------------------------

    def _on_text(self, message: String) -> None:
        self._on_task(TaskDescription(text=message.data))

    def _on_task(self, task: TaskDescription) -> None:
        complete_task(task, self.get_clock().now().to_msg())
        vectors = self._vectors
        try:
            self._submit([task], lambda worker, answers: self._publish(
                vectors, worker, task, answers[0]))
        except QueueFullError as error:
            self.get_logger().warning(f'task {task.task_id} refused: {error}',
                                      throttle_duration_sec=1.0)

    def _publish(self, vectors: LifecyclePublisher, worker: BatchingWorker, task: TaskDescription,
                 answer: Answer) -> None:
        if answer.error:
            self.get_logger().warning(f'task {task.task_id} not predicted: {answer.error}',
                                      throttle_duration_sec=1.0)
        else:
            vectors.publish(self._vector(worker, task, answer, self._thresholds(worker)))

    # Tasks from the service ---------------------------------------------------------------------

    def _on_predict(self, request: PredictSkills.Request, response: PredictSkills.Response):
        now = self.get_clock().now().to_msg()
        answered: Future = Future()

        def finish(worker: BatchingWorker, answers: list[Answer]) -> None:
            try:
                tasks = [complete_task(task, now) for task in request.tasks]
                answered.set_result(self._fill(response, worker, tasks, answers))
            except Exception as error:  # a caller that gets no answer waits for ever
                answered.set_exception(error)

        try:
            self._submit(request.tasks, finish)
        except QueueFullError as error:
            response.message = str(error)
            return response
        return answered

    def _fill(self, response: PredictSkills.Response, worker: BatchingWorker,
              tasks: list[TaskDescription], answers: list[Answer]) -> PredictSkills.Response:
        thresholds = self._thresholds(worker)
        response.vectors = [self._vector(worker, task, answer, thresholds)
                            for task, answer in zip(tasks, answers)]
        response.errors = [answer.error for answer in answers]
        bad = [answer.error for answer in answers if answer.error]
        response.success = not bad
        if bad:
            response.message = f'{len(bad)} of {len(answers)} tasks not predicted: {bad[0]}'
        return response

    def _submit(self, tasks: list[TaskDescription],
                on_done: Callable[[BatchingWorker, list[Answer]], None]) -> None:
        """Queue tasks; the worker comes back with the answers, so that they tell its own model."""
        worker = self._worker
        if worker is None or not self._serving:
            raise QueueFullError(f'the predictor is {self.state}, not active')
        worker.submit([task.text for task in tasks], lambda answers: on_done(worker, answers))

    def _vector(self, worker: BatchingWorker, task: TaskDescription, answer: Answer,
                thresholds: tuple[float, ...]) -> SkillVector:
        return skill_vector(task, answer, thresholds, worker.predictor.model.version,
                            self.get_clock().now().to_msg())

    # Model and thresholds -----------------------------------------------------------------------

    def _thresholds(self, worker: BatchingWorker) -> tuple[float, ...]:
        return tuple(self.settings[f'thresholds.{skill}'] or default
                     for skill, default in zip(taxonomy.SKILLS, worker.predictor.thresholds))

    def _on_info(self, request: GetModelInfo.Request, response: GetModelInfo.Response
                 ) -> GetModelInfo.Response:
        worker = self._worker
        response.skills = list(taxonomy.SKILLS)
        if worker is None or worker.predictor is None:
            response.message = f'no model is loaded; the node is {self.state}'
            return response
        model, backend = worker.predictor.model, worker.predictor.backend
        response.model_version = model.version
        response.name, response.sha256, response.path = model.name, model.sha256, str(model.path)
        response.backend, response.device = backend.name, backend.device
        response.thresholds = list(self._thresholds(worker))
        response.encoders = [encoder.base.repository for encoder in model.encoders]
        response.encoder_sha256 = [encoder.base.sha256 for encoder in model.encoders]
        response.success = True
        return response

    # Diagnostics --------------------------------------------------------------------------------

    def _publish_diagnostics(self) -> None:
        level, message = self.health()
        worker = self._worker
        values: dict[str, object] = {'state': self.state}
        if self.state == 'configuring' and self._step:
            message = self._step
        if worker is not None and worker.predictor is not None:
            level, message = self._judge(worker, level, message)
            values.update(self._describe(worker))
        self._diagnostics.publish(level, message, values)

    def _judge(self, worker: BatchingWorker, level: bytes, message: str) -> tuple[bytes, str]:
        """Level and message by what has happened since the last report."""
        counts = worker.statistics
        latest = (counts.failed, counts.refused, counts.unreadable)
        failed, refused, unreadable = (
            max(0, now - before) for now, before in zip(latest, self._reported))
        self._reported = latest
        if failed:
            return diagnostics.ERROR, counts.last_failure
        working_for_s = worker.working_for_s or 0.0
        if working_for_s >= MOST_ENGINE_S:
            return diagnostics.ERROR, f'the engine has not answered for {working_for_s:.0f} s'
        warning = (worker.predictor.backend.trouble
                   or refused and f'{refused} requests refused: {counts.last_refusal}'
                   or unreadable and f'{unreadable} tasks not read: {counts.last_unreadable}')
        return (diagnostics.WARN, warning) if level == diagnostics.OK and warning else (level, message)

    def _describe(self, worker: BatchingWorker) -> dict[str, object]:
        counts, predictor = worker.statistics, worker.predictor
        p50, p90, p99 = counts.latency_percentiles_ms(50, 90, 99)
        return {
            'model': predictor.model.version, 'backend': predictor.backend.name,
            'device': predictor.backend.device,
            'latency p50 [ms]': p50, 'latency p90 [ms]': p90, 'latency p99 [ms]': p99,
            'queue depth': worker.depth, 'queue size': worker.queue_size,
            'answers not sent yet': worker.unsent,
            'tasks answered': counts.answered, 'tasks not readable': counts.unreadable,
            'requests refused': counts.refused, 'tasks failed': counts.failed,
            'batches': counts.batches}


def main() -> None:
    """Run ``skill_predictor_node``."""
    exit_with(SkillPredictorNode)


if __name__ == '__main__':
    main()
