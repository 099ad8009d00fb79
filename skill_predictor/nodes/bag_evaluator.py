"""Plays the tasks of a recording into the running graph, and reports what the graph answers.

Every task must get exactly one skill vector. The report is that of ``skill-predictor bag evaluate``, with
the answers of the graph in place of those of a model at a desk.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.logging import get_logger
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from std_msgs.msg import String

from skill_predictor.msg import SkillVector, TaskAllocation, TaskDescription

from ..allocation.tasks import Status
from ..evaluation.bags.events import RecordedTask
from ..evaluation.bags.labels import read_labels
from ..evaluation.bags.live import LiveRun
from ..evaluation.bags.live_report import exit_code, live_report
from ..evaluation.bags.page import page
from ..evaluation.bags.preconditions import require_packages
from ..evaluation.bags.readable import readable_by
from ..evaluation.bags.reading import Bag, BagError
from ..evaluation.bags.table import printable, table
from ..inference.errors import ModelError
from ..inference.locations import find_model
from ..outputs import same_file
from ..taxonomy import SKILLS
from . import qos
from .bag_evaluator_parameters import declare_parameters
from .main import spin, stopped_by_signals
from .managed_publishers import ManagedPublishers
from .pace import Pace, POLL_S
from .parameters import ParameterError, Settings, topic_names
from .recorded_tasks import each_once, recorded_task

SHOWN_CHANGES = 20
STOPPED_WAIT_S = 3.0
"""How long to wait for answers that are still to come when the run is ended by a signal."""
LATE_S = 1.0
"""How long to listen after the last answer, for answers that should not come."""
TELL_EVERY_S = 5.0


class BagEvaluatorNode(Node):
    """Publishes tasks; subscribes to skill_vectors and task_allocations.

    Its parameters are those of ``bag_evaluator_parameters``.
    """

    def __init__(self) -> None:
        super().__init__('bag_evaluator', automatically_declare_parameters_from_overrides=True)
        self.settings = Settings(self)
        declare_parameters(self.settings)
        for sentence in self.settings.unknown():
            self.get_logger().warning(sentence)
        if not self.settings['bag']:
            raise ParameterError('say which recording: --ros-args -p bag:=PATH')
        require_packages(pages=bool(self.settings['report']))
        self._check_files()
        self._labels = read_labels(self.settings['labels']) if self.settings['labels'] else None
        self._run = LiveRun(self.settings['timeout_s'], self._readable())
        # A run must not take the last one's answers for its own.
        self._suffix = f'@{os.getpid()}-{int(time.time()) % 100_000}'
        if self.settings['play']:
            self._tasks = self.create_publisher(TaskDescription, 'tasks', qos.tasks(10_000))
        else:
            self._suffix = ''
            # Before the vectors: of a burst of both, tasks are handled first.
            self.create_subscription(TaskDescription, 'tasks', self._on_task, qos.tasks(10_000))
            self.create_subscription(String, 'task_text', self._on_text, qos.tasks(10_000))
        # Of tasks whose ids are not our own, only new answers count, not those that were kept.
        answers = (qos.results if self.settings['play'] else qos.tasks)(10_000)
        self.create_subscription(SkillVector, 'skill_vectors', self._on_vector, answers)
        self.create_subscription(TaskAllocation, 'task_allocations', self._on_allocation, answers)

    def _check_files(self) -> None:
        """Refuse before the play what could not be written after it."""
        for name in ('json', 'report'):
            path = Path(self.settings[name])
            if self.settings[name] and not path.parent.is_dir():
                raise ParameterError(f'parameter {name}: there is no folder {path.parent}')
            if self.settings[name] and path.is_dir():
                raise ParameterError(f'parameter {name}: {path} is a folder; name a file')
        same = same_file({name: self.settings[name] for name in ('json', 'report', 'labels')})
        if same is not None:
            raise ParameterError(f'parameters {same[0]} and {same[1]} need a file each')

    def _readable(self) -> Callable[[str], bool]:
        """Which texts the graph's predictor answers, as far as that can be told from here."""
        longest = self.settings['max_text_length']
        try:
            return readable_by(find_model(), longest)
        except ModelError as error:
            self.get_logger().warning(
                f'texts that no predictor reads may count as not answered: {error}')
            return readable_by(None, longest)

    # What comes from the graph ------------------------------------------------------------------

    def _on_task(self, task: TaskDescription) -> None:
        self._run.ask(task.task_id, task.text, time.monotonic())

    def _on_text(self, message: String) -> None:
        self._run.ask('', message.data, time.monotonic())

    def _on_vector(self, vector: SkillVector) -> None:
        if vector.task_id.endswith(self._suffix):
            place = {name: index for index, name in enumerate(vector.skills)}
            self._run.answer(
                vector.task_id.removesuffix(self._suffix), vector.task.text,
                [vector.required[place[skill]] for skill in SKILLS], time.monotonic(),
                vector.model_version)

    def _on_allocation(self, allocation: TaskAllocation) -> None:
        if allocation.task_id.endswith(self._suffix):
            self._run.allocate(
                allocation.task_id.removesuffix(self._suffix), Status(allocation.status).name.lower(),
                allocation.robot_ids, time.monotonic())

    # The run ------------------------------------------------------------------------------------

    def evaluate(self, stop: threading.Event) -> int:
        """Play or listen, then report; returns the exit code. ``stop`` ends the playing early.

        Raises
        ------
        BagError
            When nothing of the recording can be played, or nobody listens.
        """
        started = time.monotonic()
        with self._bag() as bag:
            self.get_logger().info(f'{bag.tasks:,} tasks in {bag.name}')
            self._wait_for_graph(stop)
            (self._play if self.settings['play'] else self._listen)(bag, stop)
        self._wait_for_answers(stop)
        return self._report(time.monotonic() - started, ended=stop.is_set())

    def _bag(self) -> Bag:
        label_topic, vector_topic = self.settings['label_topic'], self.settings['vector_topic']
        bag = Bag(self.settings['bag'], topic_names(self.settings['text_topics']) or None,
                  label_topic or None, vector_topic or None)
        lacks = [f'topic {name}' for name in bag.absent]
        lacks += [f'skill vectors on {name}' for name, there in (
            (label_topic, bag.label_topics), (vector_topic, bag.vector_topics)) if name and name not in there]
        if lacks:
            bag.close()
            raise BagError(f'{bag.path} has no {", no ".join(lacks)}; it has: '
                           f'{", ".join(sorted(bag.topics))}')
        return bag

    def _play(self, bag: Bag, stop: threading.Event) -> None:
        told = time.monotonic()
        for task in self._paced(each_once(bag.events()), stop):
            message = recorded_task(task, self.get_clock().now())
            message.task_id += self._suffix
            self._run.ask(task.task_id, task.text, time.monotonic())
            self._tasks.publish(message)
            if time.monotonic() - told > TELL_EVERY_S:
                told = time.monotonic()
                self.get_logger().info(f'{self._run.asked:,} of {bag.tasks:,} tasks played, '
                                       f'{self._run.pending(told):,} wait for an answer')

    def _wait_for_graph(self, stop: threading.Event) -> None:
        """Until somebody takes tasks, somebody active makes vectors, and time runs."""
        deadline = time.monotonic() + self.settings['timeout_s']
        topic = self.resolve_topic_name('skill_vectors')
        publishers = ManagedPublishers(self, topic)
        while not stop.is_set():
            lacks = [what for what, there in (
                ('nobody subscribes to tasks', not self.settings['play']
                 or self._tasks.get_subscription_count()),
                ('nobody publishes skill_vectors', self.count_publishers(topic)),
                ('no time comes on /clock (use_sim_time)', self.get_clock().now().nanoseconds))
                if not there]
            lacks += [f'{name} is not active' for name in ([] if lacks else publishers.inactive())]
            if not lacks:
                return
            if time.monotonic() > deadline:
                raise BagError(f'{", ".join(lacks)} in namespace {self.get_namespace()}; '
                               'is the predictor running, and in this namespace?')
            stop.wait(0.05)

    def _paced(self, tasks: Iterator[RecordedTask], stop: threading.Event
               ) -> Iterator[RecordedTask]:
        """Each task when its time has come, or when few enough wait for their answer."""
        rate, most = self.settings['rate'], self.settings['most_pending']
        longest = int(self.settings['longest_pause_s'] * 1e9)
        pace, before = Pace(self, stop), None
        for task in tasks:
            if rate:
                pause = 0 if before is None else min(max(0, task.time_ns - before), longest)
                before = task.time_ns
                pace.wait(int(pause / rate))
            else:
                while self._run.pending(time.monotonic()) >= most and not stop.is_set():
                    stop.wait(0.001)
            if stop.is_set():
                return
            yield task

    def _listen(self, bag: Bag, stop: threading.Event) -> None:
        """Until all tasks of the recording were heard, or nothing more comes."""
        self.get_logger().info('listening; play tasks only, not what was answered: '
                               'ros2 bag play BAG --topics /tasks /task_text')
        heard, silent_since = 0, time.monotonic()
        while self._run.asked < bag.tasks and not stop.wait(POLL_S):
            if heard != self._run.asked:
                heard, silent_since = self._run.asked, time.monotonic()
            longest = max(self.settings['timeout_s'], self.settings['longest_pause_s'] if heard
                          else 0.0)
            if time.monotonic() - silent_since > longest:
                self.get_logger().warning(
                    f'heard {heard:,} of {bag.tasks:,} tasks, then nothing for {longest:.0f} s')
                return

    def _wait_for_answers(self, stop: threading.Event) -> None:
        """Also when the run was ended before its time: what was asked by then is answered soon."""
        until = time.monotonic() + (STOPPED_WAIT_S if stop.is_set() else float('inf'))
        while self._run.pending(time.monotonic()) and time.monotonic() < until:
            time.sleep(POLL_S)
            if stop.is_set():
                until = min(until, time.monotonic() + STOPPED_WAIT_S)
        if stop.is_set():
            self._run.give_up()
        time.sleep(LATE_S)

    def _report(self, seconds: float, *, ended: bool) -> int:
        """``ended``: before its time, so that the rest of the recording was not to be heard."""
        with self._bag() as bag:
            result, found = live_report(
                bag, self._run, seconds=seconds, rate=self.settings['rate'],
                listened=not self.settings['play'] and not ended, labels=self._labels,
                labels_file=self.settings['labels'])
        print(table(result, found, None, SHOWN_CHANGES), flush=True)
        for trouble in result['troubles']:
            self.get_logger().warning(f'trouble: {printable(trouble)}')
        if self.settings['json']:
            Path(self.settings['json']).write_text(json.dumps(result) + '\n', encoding='utf-8')
        if self.settings['report']:
            Path(self.settings['report']).write_text(page(result, found), encoding='utf-8')
        return exit_code(result)


def main() -> None:
    """Run ``bag_evaluator_node``."""
    sys.exit(_run(stopped_by_signals()))


def _run(stop: threading.Event) -> int:
    logger = get_logger('bag_evaluator')
    executor, ended = None, threading.Event()
    try:
        rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
        node = BagEvaluatorNode()
        executor = SingleThreadedExecutor()
        executor.add_node(node)
        spinning = threading.Thread(target=spin, args=(executor, stop, ended), name='executor',
                                    daemon=True)
        spinning.start()
        return node.evaluate(stop)
    except (BagError, ParameterError, ImportError, OSError, ValueError) as error:
        logger.fatal(str(error) or type(error).__name__)
        return 1
    except Exception as error:
        logger.fatal(f'unexpected {type(error).__name__}: {error}\n{traceback.format_exc()}')
        return 1
    finally:
        ended.set()
        if executor is not None:
            executor.shutdown()
            spinning.join()
        rclpy.try_shutdown()


if __name__ == '__main__':
    main()
