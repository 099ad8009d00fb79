"""Between the allocation room's plain values and ROS messages."""

from __future__ import annotations

from builtin_interfaces.msg import Time

from skill_predictor.msg import RobotState, SkillVector, TaskAllocation, TaskDescription

from ..allocation.ledger import Decision
from ..allocation.tasks import TaskRequest
from .conversions import seconds


def task_request(vector: SkillVector) -> TaskRequest:
    """What the matching needs to know of a task.

    Raises
    ------
    ValueError
        When the vector has no prediction (NaN), an unknown skill or an impossible number; the
        message says which.
    """
    if not vector.task_id:
        raise ValueError('the vector has no task_id')
    if any(probability != probability for probability in vector.probabilities):
        raise ValueError('the vector has no prediction (its probabilities are NaN)')
    task = vector.task
    deadline, duration = seconds(task.deadline), seconds(task.expected_duration)
    frame = task.header.frame_id
    return TaskRequest(
        task_id=vector.task_id,
        required=tuple(name for name, flag in zip(vector.skills, vector.required) if flag),
        priority=task.priority,
        deadline=deadline or None,
        duration_s=duration or None,
        payload_kg=float(task.payload_kg),
        location=(task.location.x, task.location.y, task.location.z) if frame else None,
        frame=frame,
        text=task.text)


def task_allocation(decision: Decision, task: TaskDescription, now: Time) -> TaskAllocation:
    """The message of a decision."""
    message = TaskAllocation()
    message.header.stamp = now
    message.task_id = decision.task_id
    message.task = task
    message.task.task_id = decision.task_id  # a vector's own task may come without it
    message.status = int(decision.choice.status)
    message.robot_ids = list(decision.choice.robots)
    message.score = float(decision.choice.score)
    message.required_skills = list(decision.required)
    message.missing_skills = list(decision.choice.missing)
    message.revision = decision.revision
    message.reason = decision.choice.reason
    return message


def refusal(vector: SkillVector, reason: str, now: Time) -> TaskAllocation:
    """The message about a task on which nothing could be decided."""
    message = TaskAllocation(task_id=vector.task_id, task=vector.task, reason=reason,
                             status=TaskAllocation.STATUS_UNKNOWN)
    message.header.stamp = now
    return message


FULL_BATTERY = 1.1
"""More than that is no charge; a little more than 1 is what full batteries report."""


def report(state: RobotState) -> dict:
    """Arguments of ``FleetLedger.report`` beside the time; an impossible charge is unknown."""
    position = state.position
    return {
        'robot_id': state.robot_id, 'available': state.available,
        'battery': min(1.0, float(state.battery)) if 0 <= state.battery <= FULL_BATTERY else None,
        'position': (position.x, position.y, position.z) if state.header.frame_id else None,
        'frame': state.header.frame_id, 'current_task_id': state.current_task_id}
