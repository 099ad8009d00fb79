#!/usr/bin/env python3
"""The node over DDS: what it adds to inference, and how it bears more tasks than it can answer.

Starts a real skill_predictor_node in a process of its own, and measures how long it takes to become
active. Then one service call after the other: round trip minus inference is the node's overhead. Calls of
a node that does nothing (``empty_service.py``) go in turn with them: what rclpy, DDS and waking a process
cost at this pace. Then tasks on a topic at fixed rates, whether or not they are answered in time (an open
loop), at 50, 80 and 120 % of what the node was measured to answer. The exit code is 1 when a task got neither
an answer nor a refusal.

    source scripts/env.sh && python3 benchmarks/node.py --json node.json
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
# The node tests' harness starts nodes and talks to them.
sys.path[:0] = [str(ROOT), str(ROOT / 'test'), str(ROOT / 'test' / 'nodes')]

from diagnostic_msgs.msg import DiagnosticArray  # noqa: E402
from harness import Client, isolation, NodeProcess  # noqa: E402
import ros_domains  # noqa: E402

from skill_predictor.dataset.records import read_tasks  # noqa: E402
from skill_predictor.evaluation.speed import machine  # noqa: E402
from skill_predictor.evaluation.speed.timing import summary  # noqa: E402
from skill_predictor.inference.locations import cache_dir  # noqa: E402
from skill_predictor.msg import SkillVector, TaskDescription  # noqa: E402
from skill_predictor.nodes import qos  # noqa: E402
from skill_predictor.srv import PredictSkills  # noqa: E402

LOADS = (0.5, 0.8, 1.2)
START_UP_S = 1800.0
"""Graphs and engines are built, on small machines, too."""


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--model', default='', metavar='NAME', help='a released model')
    parser.add_argument('--tasks', type=Path, default=ROOT / 'data' / 'test.jsonl', metavar='FILE')
    parser.add_argument('--calls', type=int, default=300, help='single service calls (default: 300)')
    parser.add_argument('--seconds', type=float, default=20.0, help='for each load (default: 20)')
    parser.add_argument('--queue-size', type=int, default=256, help='of the node (default: 256)')
    parser.add_argument('--json', type=Path, metavar='FILE')
    args = parser.parse_args(arguments)
    texts = [task.text for task in read_tasks(args.tasks)]
    domain = ros_domains.reserve()
    os.environ.update(isolation(domain))
    client = Client(domain)
    with tempfile.TemporaryDirectory() as scratch:
        logs = Path(scratch)
        found = {'machine': machine.describe(), 'start_up_s': start_ups(client, logs, args.model)}
        node = NodeProcess('skill_predictor_node', logs / 'node.log', queue_size=args.queue_size,
                           model=args.model, history_depth=10000, diagnostics_period_s=0.5)
        try:
            until_active(client, node)
            found['calls'] = single_calls(client, texts, args.calls)
            capacity = burst(client, texts, args.queue_size)
            found['capacity_tasks_per_s'] = capacity
            found['queue_size'] = args.queue_size
            refusals = Refusals(client)
            found['loads'] = [open_loop(client, texts, share, capacity, args.seconds, refusals)
                              for share in LOADS]
        finally:
            node.stop()
            client.close()
    report(found)
    if args.json:
        args.json.write_text(json.dumps(found, indent=2) + '\n')
    wrong = losses(found['loads'])
    for line in wrong:
        print(line, file=sys.stderr)
    return 1 if wrong else 0


def start_ups(client: Client, scratch: Path, model: str) -> dict[str, float]:
    """Seconds from starting the process to active: graphs still to be built, and built."""
    (scratch / 'cache').mkdir()
    (scratch / 'cache' / 'encoders').symlink_to(cache_dir() / 'encoders')  # they were fetched before
    before = os.environ.get('SKILL_PREDICTOR_CACHE')
    os.environ['SKILL_PREDICTOR_CACHE'] = str(scratch / 'cache')
    found = {}
    try:
        for name in ('cold', 'warm'):
            started = time.perf_counter()
            node = NodeProcess('skill_predictor_node', scratch / f'{name}.log', model=model)
            try:
                until_active(client, node)
                found[name] = time.perf_counter() - started
            finally:
                node.stop()
    finally:
        del os.environ['SKILL_PREDICTOR_CACHE']
        if before is not None:
            os.environ['SKILL_PREDICTOR_CACHE'] = before
    return found


def until_active(client: Client, node: NodeProcess) -> None:
    """Wait for a node that has just been started; show what it said when that is in vain."""
    try:
        client.wait_for_state('skill_predictor', 'active', START_UP_S)
    except AssertionError as error:
        raise SystemExit(f'the node did not become active ({error}); it said:\n{node.log}') from None


def single_calls(client: Client, texts: list[str], calls: int) -> dict[str, object]:
    """Round trips of one task each, what of them was not inference, and those of a node without work."""
    trips, overheads, empty = [], [], []
    idle = subprocess.Popen([sys.executable, str(ROOT / 'benchmarks' / 'empty_service.py')])
    try:
        for number in range(calls + 10):
            request = PredictSkills.Request(tasks=[TaskDescription(text=texts[number % len(texts)])])
            trip, response = timed_call(client, 'predict_skills', request)
            without, _ = timed_call(client, 'empty_service', request)
            if not response.success:
                raise SystemExit(f'the node refused a task: {response.message}')
            if number >= 10:  # the first ones warm up all processes
                trips.append(trip)
                overheads.append(trip - response.vectors[0].inference_ms / 1e3)
                empty.append(without)
    finally:
        idle.kill()
        idle.wait()
    return {'round_trip': asdict(summary(trips)), 'overhead': asdict(summary(overheads)),
            'empty_service': asdict(summary(empty))}


def timed_call(client: Client, name: str, request: PredictSkills.Request
               ) -> tuple[float, PredictSkills.Response]:
    """Seconds of a round trip, and the answer."""
    before = time.perf_counter()
    response = client.call(PredictSkills, name, request)
    return time.perf_counter() - before, response


class Topic:
    """Sends tasks to the node's topic and notes when each was answered.

    Attributes
    ----------
    arrived : dict of str to float
        The clock (``time.perf_counter``, s) at the first answer, by the names that `send` returned.
    """

    def __init__(self, client: Client) -> None:
        self.client, self.arrived = client, {}
        self._prefix, self._sent = str(random.random()), set()

    def __enter__(self) -> Topic:
        node = self.client.node
        # Volatile: vectors of the loads before are not of interest.
        self._subscription = node.create_subscription(
            SkillVector, 'skill_vectors', self._on_vector, 10000)
        self._publisher = node.create_publisher(TaskDescription, 'tasks', qos.tasks(10000))
        self.client.connected(self._publisher)
        return self

    def __exit__(self, *_: object) -> None:
        self.client.node.destroy_subscription(self._subscription)
        self.client.node.destroy_publisher(self._publisher)

    def send(self, name: str, text: str) -> str:
        name = f'{self._prefix}-{name}'
        self._sent.add(name)
        self._publisher.publish(TaskDescription(task_id=name, text=text))
        return name

    def _on_vector(self, vector: SkillVector) -> None:
        if vector.task_id in self._sent:
            self.arrived.setdefault(vector.task_id, time.perf_counter())


def burst(client: Client, texts: list[str], tasks: int) -> float:
    """Tasks a second that the node answers on its topic when a queue of them waits: the median of five."""
    rates = []
    with Topic(client) as topic:
        for number in range(6):
            before = time.perf_counter()
            names = [topic.send(f'burst-{number}-{index}', texts[index % len(texts)])
                     for index in range(tasks)]
            if not client.spin_until(lambda: len(topic.arrived.keys() & names) == tasks, 120.0):
                raise SystemExit(f'the node did not answer {tasks} tasks at once')
            rates.append(tasks / (time.perf_counter() - before))
    return statistics.median(rates[1:])  # the first one warms up


def open_loop(client: Client, texts: list[str], share: float, capacity: float,
              seconds: float, refusals: Refusals) -> dict[str, object]:
    """Send tasks at a fixed rate; count answers, what the node says it refused, and what is lost."""
    rate = share * capacity
    due, lateness = {}, []
    with Topic(client) as topic:
        started = time.perf_counter()
        while (now := time.perf_counter()) - started < seconds:
            while len(due) < (now - started) * rate:
                name = topic.send(f'{share}-{len(due)}', texts[len(due) % len(texts)])
                # From when it was due: a client that is late must not make the node look quick.
                due[name] = started + len(due) / rate
                lateness.append(now - due[name])
            # A client that polls would take a core from the node.
            client.spin(max(0.0, started + len(due) / rate - time.perf_counter()))
        took = time.perf_counter() - started
        client.spin_until(lambda: len(topic.arrived) >= len(due), 5.0)
        quiet = time.monotonic()
        while time.monotonic() - quiet < 2.0:  # until nothing comes any more
            before = len(topic.arrived)
            client.spin(0.3)
            quiet = time.monotonic() if len(topic.arrived) > before else quiet
    latencies = [topic.arrived[name] - moment for name, moment in due.items()
                 if name in topic.arrived]
    refused = refusals.since_last()
    return {'share': share, 'rate_per_s': len(due) / took, 'sent': len(due),
            'answered': len(latencies), 'refused': refused,
            'lost': len(due) - len(latencies) - refused,
            'sent_late': asdict(summary(lateness)), 'latency': asdict(summary(latencies))}


def losses(loads: Sequence[Mapping[str, Any]]) -> list[str]:
    """A line for each load whose tasks were not all answered or refused, each of them once."""
    return [f'LOST at {load["share"]:.0%}: {load["sent"]} sent, {load["answered"]} answered, '
            f'{load["refused"]} refused: {load["lost"]} lost' for load in loads if load['lost'] != 0]


class Refusals:
    """How many tasks a node has refused, by its diagnostics.

    Raises
    ------
    SystemExit
        When the node publishes none.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._reports: list[DiagnosticArray] = client.collect(DiagnosticArray, '/diagnostics', 100)
        self._count = self._told()

    def since_last(self) -> int:
        """Refused since this was asked last, or since it was made."""
        before, self._count = self._count, self._told()
        return self._count - before

    def _told(self) -> int:
        """Of a report that is made from now on."""
        self._reports.clear()
        found: list[int] = []

        def told() -> bool:
            found.extend(int(value.value) for array in self._reports[1:] for status in array.status
                         for value in status.values if value.key == 'requests refused')
            return bool(found)
        # The first to arrive may have been made before.
        if not self._client.spin_until(told):
            raise SystemExit('the node publishes no diagnostics')
        return found[-1]


def report(found: dict) -> None:
    print('active after {cold:.1f} s with graphs to build, {warm:.1f} s with graphs built'.format(
        **found['start_up_s']))
    trip, overhead, empty = (found['calls'][name] for name in (
        'round_trip', 'overhead', 'empty_service'))
    print(f'service call, one task: {trip["p50"]:.2f} ms p50, {trip["p99"]:.2f} p99; of it not '
          f'inference: {overhead["p50"]:.2f} ms p50, {overhead["p99"]:.2f} p99; a service without '
          f'work: {empty["p50"]:.2f} ms p50, {empty["p99"]:.2f} p99')
    print(f'capacity: {found["capacity_tasks_per_s"]:.0f} tasks a second')
    print(f'{"load":>6}{"rate/s":>9}{"sent":>8}{"answered":>10}{"refused":>9}{"lost":>6}'
          f'{"p50 ms":>9}{"p99":>9}{"sent late p99":>14}')
    for load in found['loads']:
        print(f'{load["share"]:6.0%}{load["rate_per_s"]:9.1f}{load["sent"]:8}{load["answered"]:10}'
              f'{load["refused"]:9}{load["lost"]:6}{load["latency"]["p50"]:9.1f}'
              f'{load["latency"]["p99"]:9.1f}{load["sent_late"]["p99"]:14.1f}')


if __name__ == '__main__':
    sys.exit(main())
