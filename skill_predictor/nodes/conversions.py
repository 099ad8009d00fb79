"""Between ROS messages and the plain values of the ROS-free rooms."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from builtin_interfaces.msg import Time

from skill_predictor.msg import SkillVector, TaskDescription

from .. import taxonomy
from ..inference.answers import Answer


def seconds(stamp) -> float:
    """Seconds of a ``Time`` or ``Duration`` message."""
    return stamp.sec + stamp.nanosec * 1e-9


def complete_task(task: TaskDescription, now: Time) -> TaskDescription:
    """Fill in what a task may leave out: its id and its time stamp. Changes ``task``."""
    if not task.task_id:
        task.task_id = f'task-{uuid.uuid4().hex[:12]}'
    if not (task.header.stamp.sec or task.header.stamp.nanosec):
        task.header.stamp = now
    return task


def skill_vector(task: TaskDescription, answer: Answer, thresholds: Sequence[float],
                 model_version: str, now: Time) -> SkillVector:
    """The vector message of an answered task.

    Parameters
    ----------
    task
        The completed task.
    answer
        Its answer; probabilities of NaN give flags that are all false.
    thresholds
        Six thresholds in 0..1 that are applied.
    model_version
        Name and version of the model.
    now
        Time stamp of the vector.
    """
    vector = SkillVector()
    vector.header.stamp = now
    vector.task_id = task.task_id
    vector.task = task
    vector.skills = list(taxonomy.SKILLS)
    vector.probabilities = answer.probabilities
    vector.required = [bool(probability >= threshold) for probability, threshold
                       in zip(answer.probabilities, thresholds)]
    vector.thresholds = [float(threshold) for threshold in thresholds]
    vector.model_version = model_version
    vector.latency_ms = answer.latency_s * 1e3
    vector.inference_ms = answer.inference_s * 1e3
    vector.batch_size = answer.batch_size
    return vector
