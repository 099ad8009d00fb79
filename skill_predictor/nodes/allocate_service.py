"""The service ``allocate_tasks`` of the fleet allocator."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import TYPE_CHECKING

from skill_predictor.msg import SkillVector
from skill_predictor.srv import AllocateTasks, PredictSkills

from ..allocation.ledger import LedgerFullError
from . import qos
from .allocation_messages import refusal, task_allocation, task_request
from .conversions import complete_task
from .deferred import answer_later
from .managed import STEADY

if TYPE_CHECKING:
    from .allocator import FleetAllocatorNode


LOOK_EVERY_S = 0.2
"""How often it is looked for requests that the predictor does not answer."""


class AllocateService:
    """Serves ``allocate_tasks``; asks ``predict_skills`` first when tasks come in words.

    Parameters
    ----------
    node
        The allocator; it keeps the service until it is released.
    """

    def __init__(self, node: FleetAllocatorNode) -> None:
        self._node = node
        self._predict = node.keep(node.destroy_client, node.create_client(
            PredictSkills, 'predict_skills', qos_profile=qos.services()))
        node.keep(node.destroy_service, answer_later(node.create_service(
            AllocateTasks, 'allocate_tasks', self._on_request, qos_profile=qos.services()),
            node.get_logger()))
        # One timer for all requests: rclpy never forgets one that is made for each of them.
        self._asked: dict[int, tuple[float, Callable[..., None]]] = {}
        node.keep(node.destroy_timer, node.create_timer(
            LOOK_EVERY_S, self._give_up_overdue, clock=STEADY))

    def _give_up_overdue(self) -> None:
        now = time.monotonic()
        for key, (deadline, give_up) in list(self._asked.items()):
            if now >= deadline:
                self._asked.pop(key, None)
                give_up()

    def abandon(self, message: str) -> None:
        """Answer all requests that wait for the predictor; call it in the executor.

        Parameters
        ----------
        message
            Why there is no better answer.
        """
        for _, give_up in list(self._asked.values()):
            give_up(message)

    def _on_request(self, request: AllocateTasks.Request, response: AllocateTasks.Response):
        if self._node.obstacle():
            response.message = self._node.obstacle()
        elif request.tasks and request.vectors:
            response.message = 'set tasks or vectors, not both'
        elif request.tasks:
            return self._predict_first(request, response)
        else:
            self._fill(response, request.vectors, [''] * len(request.vectors), request.dry_run)
        return response

    def _predict_first(self, request: AllocateTasks.Request, response: AllocateTasks.Response):
        """Ask the predictor for the tasks' skills, without holding up the executor."""
        node = self._node
        if not self._predict.service_is_ready():
            response.message = (f'there is no service {self._predict.srv_name}: '
                                'is skill_predictor_node running and configured?')
            return response
        stamp = node.get_clock().now().to_msg()
        tasks = [complete_task(task, stamp) for task in request.tasks]
        answered: Future = Future()
        patience_s = node.settings['predict_timeout_s']

        def settle(message: str = '') -> None:
            self._asked.pop(id(answered), None)
            if not answered.done():
                if message:
                    response.message = message
                answered.set_result(response)

        def give_up(message: str = f'the predictor did not answer within {patience_s:.1f} s') -> None:
            self._predict.remove_pending_request(predicted)
            settle(message)

        def proceed(future) -> None:
            if answered.done():
                return  # the caller has been told that there was no answer
            try:
                answer = future.result()
                if len(answer.vectors) == len(tasks):
                    self._fill(response, answer.vectors, answer.errors, request.dry_run)
                    settle()
                else:
                    settle(f'the predictor refused: {answer.message}')
            except Exception as error:
                settle(f'the predictor\'s answer is of no use: {type(error).__name__}: {error}')

        predicted = self._predict.call_async(PredictSkills.Request(tasks=tasks))
        self._asked[id(answered)] = (time.monotonic() + patience_s, give_up)
        predicted.add_done_callback(proceed)
        return answered

    def _fill(self, response: AllocateTasks.Response, vectors: Sequence[SkillVector],
              errors: Sequence[str], dry_run: bool) -> None:
        """One allocation per vector, in order; a vector with an error gets a refusal."""
        node = self._node
        stamp = node.get_clock().now().to_msg()
        problems = list(errors)
        sound, requests = [], []
        for index, vector in enumerate(vectors):
            if not problems[index]:
                try:
                    requests.append(task_request(vector))
                    sound.append(vector)
                except ValueError as error:
                    problems[index] = str(error)
        try:
            decisions = node.preview(requests) if dry_run else node.submit(sound, requests)
        except LedgerFullError as error:
            response.message = str(error)
            return
        if len(decisions) != len(requests):
            response.message = node.obstacle()
            return
        by_id = {decision.task_id: decision for decision in decisions}
        response.allocations = [
            refusal(vector, problem, stamp) if problem
            else task_allocation(by_id[vector.task_id], vector.task, stamp)
            for vector, problem in zip(vectors, problems)]
        bad = [problem for problem in problems if problem]
        response.success = not bad
        if bad:
            response.message = f'{len(bad)} of {len(vectors)} tasks not decided: {bad[0]}'
