"""The demonstration: both nodes and a simulated fleet as processes, and a table of what happens.

Started by ``make demo``. Every vector and every allocation on the screen came over ROS topics from the
real nodes; this process only publishes the tasks and shows the answers.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.signals import SignalHandlerOptions
from rich.console import Console
from rich.live import Live

from skill_predictor.msg import SkillVector, TaskAllocation, TaskDescription

from . import qos
from .demo_table import TaskRow, render

NODES = (('skill_predictor_node', ('predictor.yaml',), {}),
         ('fleet_allocator_node', ('allocator.yaml', 'fleet'), {}),
         ('simulated_fleet_node', ('fleet',), {'time_factor': 60.0}))
PAUSE_BETWEEN_TASKS_S = 0.25
UNHEARD_S = 10.0
FINAL = frozenset({TaskAllocation.STATUS_COMPLETED, TaskAllocation.STATUS_IMPOSSIBLE,
                   TaskAllocation.STATUS_NOT_PHYSICAL, TaskAllocation.STATUS_EXPIRED})


class DemoError(Exception):
    """The demonstration cannot go on; the message says why."""


class Processes:
    """The nodes as processes, each with its log file."""

    def __init__(self, share: Path, executables: Path, fleet: Path) -> None:
        self._logs = Path(tempfile.mkdtemp(prefix='skill_predictor_demo_'))
        self._running: dict[str, subprocess.Popen] = {}
        try:
            self._start(share, executables, fleet)
        except BaseException:  # nobody else knows of those that have started
            self.stop()
            raise

    def _start(self, share: Path, executables: Path, fleet: Path) -> None:
        for name, files, values in NODES:
            command = [str(executables / name), '--ros-args']
            for file in files:
                command += ['--params-file',
                            str(fleet if file == 'fleet' else share / 'config' / file)]
            for key, value in values.items():
                command += ['-p', f'{key}:={value}']
            self._running[name] = subprocess.Popen(
                command, stdout=open(self._logs / f'{name}.log', 'w'), stderr=subprocess.STDOUT)

    def check(self) -> None:
        """Raise DemoError when a node has ended."""
        for name, process in self._running.items():
            if process.poll() is not None:
                raise DemoError(f'{name} ended with {process.returncode}:\n{self.log(name)}')

    def log(self, name: str) -> str:
        """The last lines of a node's log."""
        lines = (self._logs / f'{name}.log').read_text(errors='replace').splitlines()
        return '\n'.join(lines[-15:])

    def all_logs(self) -> str:
        """The last lines of every node's log."""
        return '\n'.join(f'--- {name}\n{self.log(name)}' for name in self._running)

    def stop(self) -> dict[str, int]:
        """Ask every node to stop, as Ctrl-C does; returns their exit codes."""
        for process in self._running.values():
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
        codes = {}
        for name, process in self._running.items():
            try:
                codes[name] = process.wait(timeout=15)
            except subprocess.TimeoutExpired:
                process.kill()
                codes[name] = process.wait()
        shutil.rmtree(self._logs, ignore_errors=True)
        return codes


class Demo:
    """Publishes tasks and keeps what comes back."""

    def __init__(self, tasks: list[dict]) -> None:
        self._node = rclpy.create_node('skill_predictor_demo')
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self._node)
        self._publisher = self._node.create_publisher(TaskDescription, 'tasks', qos.tasks(1000))
        self._node.create_subscription(SkillVector, 'skill_vectors', self._on_vector, qos.results())
        self._node.create_subscription(
            TaskAllocation, 'task_allocations', self._on_allocation, qos.results())
        # A run must not take the last one's answers for its own.
        run = f'{os.getpid()}-{int(time.time()) % 100000}'
        self._tasks = [{**task, 'id': f'{task["id"]}-{run}'} for task in tasks]
        self.rows = {task['id']: TaskRow(task['text']) for task in self._tasks}
        self._given: dict[str, float] = {}

    def ready(self) -> bool:
        """Whether all three nodes are on the graph and connected."""
        node = self._node
        return (self._publisher.get_subscription_count() >= 1
                and node.count_publishers('skill_vectors') >= 1
                and node.count_subscribers('skill_vectors') >= 2
                and node.count_subscribers('task_allocations') >= 2
                and node.count_publishers('robot_states') >= 1)

    def spin(self, seconds: float) -> None:
        """Handle what arrives for some time."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self._executor.spin_once(timeout_sec=left)

    def publish_next(self, index: int) -> bool:
        """Publish one task; false when there is none left."""
        if index >= len(self._tasks):
            return False
        self._publish(self._tasks[index])
        return True

    def publish_again(self) -> None:
        """Publish tasks again that have no vector after :data:`UNHEARD_S`.

        A predictor is on the graph, and refuses tasks, some moments before it is active.
        """
        due = time.monotonic() - UNHEARD_S
        for task in self._tasks:
            if self.rows[task['id']].vector is None and self._given.get(task['id'], due) < due:
                self._publish(task)

    def _publish(self, task: dict) -> None:
        message = TaskDescription(
            task_id=task['id'], text=task['text'], priority=task.get('priority', 1),
            payload_kg=float(task.get('payload_kg', 0.0)))
        message.header.stamp = self._node.get_clock().now().to_msg()
        if 'location' in task:
            message.header.frame_id = 'map'
            x, y, z = map(float, task['location'])
            message.location.x, message.location.y, message.location.z = x, y, z
        self.rows[task['id']].given = True
        self._given[task['id']] = time.monotonic()
        self._publisher.publish(message)

    @property
    def settled(self) -> bool:
        """Whether every task is completed, impossible or not physical."""
        return all(row.allocation is not None and row.allocation.status in FINAL
                   for row in self.rows.values())

    def close(self) -> None:
        """Leave the graph."""
        self._executor.shutdown()
        self._node.destroy_node()

    def _on_vector(self, vector: SkillVector) -> None:
        if vector.task_id in self.rows:
            self.rows[vector.task_id].vector = vector

    def _on_allocation(self, allocation: TaskAllocation) -> None:
        if allocation.task_id in self.rows:
            self.rows[allocation.task_id].note(allocation)


def run(demo: Demo, processes: Processes, console: Console, start_timeout_s: float,
        timeout_s: float) -> None:
    """Wait for the nodes, publish the tasks and show the table until all are settled.

    Raises
    ------
    DemoError
        When a node ends or does not come up, or when a task is not settled in time.
    """
    started = time.monotonic()
    with console.status('starting the predictor, the allocator and a simulated fleet ...'):
        while not demo.ready():
            processes.check()
            if time.monotonic() - started > start_timeout_s:
                raise DemoError(f'the nodes did not come up within {start_timeout_s:.0f} s\n'
                                + processes.all_logs())
            demo.spin(0.1)
    console.print(f'nodes ready after {time.monotonic() - started:.1f} s')
    started = time.monotonic()
    shown = list(demo.rows.values())
    with Live(console=console, refresh_per_second=8, transient=True) as live:
        index, more = 0, True
        while more or not demo.settled:
            processes.check()
            more = demo.publish_next(index)
            index += 1
            demo.publish_again()
            demo.spin(PAUSE_BETWEEN_TASKS_S)
            live.update(render(shown, console.size.height))
            if time.monotonic() - started > timeout_s:
                live.stop()
                console.print(render(shown))
                raise DemoError(f'not every task was settled within {timeout_s:.0f} s\n'
                                + processes.all_logs())
    console.print(render(shown))
    console.print(summary(shown, time.monotonic() - started))


def summary(rows: list[TaskRow], seconds: float) -> str:
    """One line about the whole run."""
    latencies = sorted(row.vector.latency_ms for row in rows if row.vector is not None)
    count = {name: sum(row.decision == name for row in rows)
             for name in ('robot', 'team', 'impossible', 'not physical')}
    median = f'{latencies[len(latencies) // 2]:.0f} ms' if latencies else 'unknown'
    return (f'{len(rows)} tasks in {seconds:.0f} s: {count["robot"]} done by one robot, '
            f'{count["team"]} by a team, {count["impossible"]} impossible for this fleet, '
            f'{count["not physical"]} not physical. '
            f'Median latency {median} from task to skill vector.')


def read_tasks(path: Path) -> list[dict]:
    """Tasks of the demonstration, one JSON object a line."""
    return [json.loads(line) for line in path.read_text().splitlines() if line.strip()]


def main(argv: list[str] | None = None) -> int:
    """Run the demonstration; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog='demo', description='Predictor, allocator and a simulated fleet at work.')
    parser.add_argument('--tasks', type=Path, help='JSON lines with id, text and, optionally, '
                        'location, priority, payload_kg')
    parser.add_argument('--fleet', type=Path, help='fleet parameter file')
    parser.add_argument('--start-timeout', type=float, default=60.0,
                        help='seconds for the nodes to come up')
    parser.add_argument('--timeout', type=float, default=90.0, help='seconds for all tasks')
    options = parser.parse_args(argv)
    prefix = next((Path(entry) for entry in os.environ.get('AMENT_PREFIX_PATH', '').split(':')
                   if (Path(entry) / 'lib' / 'skill_predictor').is_dir()), None)
    console = Console(width=None if sys.stdout.isatty() else 150)
    if prefix is None:
        console.print('skill_predictor is not on AMENT_PREFIX_PATH: source scripts/env.sh first')
        return 1
    share = prefix / 'share' / 'skill_predictor'
    # Keep to ourselves: other demonstrations and robots on the network are none of our business.
    if os.environ.get('ROS_DISTRO') == 'humble':
        os.environ.setdefault('ROS_LOCALHOST_ONLY', '1')
    else:
        os.environ.setdefault('ROS_AUTOMATIC_DISCOVERY_RANGE', 'LOCALHOST')
    os.environ.setdefault('ROS_DOMAIN_ID', str(1 + os.getpid() % 100))
    fleet = options.fleet or share / 'config' / 'fleet_search_and_rescue.yaml'
    # Ctrl-C is ours to handle, so that the nodes are stopped before the context goes.
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    demo = processes = None
    code, ended = 0, {}
    try:
        demo = Demo(read_tasks(options.tasks or share / 'resource' / 'demo_tasks.jsonl'))
        processes = Processes(share, prefix / 'lib' / 'skill_predictor', fleet)
        run(demo, processes, console, options.start_timeout, options.timeout)
    except (DemoError, OSError, ValueError, KeyError) as error:
        console.print(f'demo failed: {error}', style='red', markup=False)
        code = 1
    except KeyboardInterrupt:
        code = 130
    finally:
        if processes is not None:
            ended = processes.stop()
        if demo is not None:
            demo.close()
        rclpy.try_shutdown()
    if code == 0 and any(ended.values()):
        console.print(f'a node did not end cleanly: {ended}', style='red')
        code = 1
    return code


if __name__ == '__main__':
    sys.exit(main())
