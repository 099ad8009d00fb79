#!/usr/bin/env python3
"""A node whose PredictSkills does nothing: what a service call costs before any of our code runs.

``node.py`` starts it beside the real node and calls the two in turn, on ``empty_service``.
"""

from __future__ import annotations

import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node

from skill_predictor.msg import SkillVector
from skill_predictor.srv import PredictSkills


def answer(request: PredictSkills.Request, response: PredictSkills.Response
           ) -> PredictSkills.Response:
    """As many vectors as tasks, and nothing in them."""
    response.vectors = [SkillVector() for _ in request.tasks]
    response.success = True
    return response


def main() -> None:
    rclpy.init()
    node = Node('empty_service')
    node.create_service(PredictSkills, 'empty_service', answer)
    try:
        rclpy.spin(node)
    except (KeyboardInterrupt, ExternalShutdownException):
        pass


if __name__ == '__main__':
    main()
