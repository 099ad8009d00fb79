#!/usr/bin/env python3
"""A lifecycle node with the predictor's topics and services that does no work.

What a service call costs before any of our code runs. ``node.py`` starts it beside the real node and calls
the two in turn, on ``empty_service``.
"""

from __future__ import annotations

import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.lifecycle import LifecycleNode
from std_msgs.msg import String

from skill_predictor.msg import SkillVector, TaskDescription
from skill_predictor.srv import GetModelInfo, PredictSkills
from skill_predictor.taxonomy import SKILLS


def answer(request: PredictSkills.Request, response: PredictSkills.Response
           ) -> PredictSkills.Response:
    """A vector for each task, the same for all."""
    response.vectors = [SkillVector(
        task_id='task', task=task, skills=list(SKILLS), probabilities=[0.5] * 6,
        required=[True] * 6, thresholds=[0.5] * 6) for task in request.tasks]
    response.success = True
    return response


def main() -> None:
    rclpy.init()
    node = LifecycleNode('empty_service')
    node.create_service(PredictSkills, 'empty_service', answer)
    # rclpy goes through all of a node's entities before it waits, so there must be as many.
    node.create_service(GetModelInfo, 'empty_info', lambda request, response: response)
    node.create_subscription(TaskDescription, 'empty_tasks', lambda message: None, 10)
    node.create_subscription(String, 'empty_text', lambda message: None, 10)
    node.create_publisher(SkillVector, 'empty_vectors', 10)
    node.create_timer(1.0, lambda: None)
    try:
        rclpy.spin(node)
    except (KeyboardInterrupt, ExternalShutdownException):
        pass


if __name__ == '__main__':
    main()
