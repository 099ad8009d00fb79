"""ROS 2 nodes: thin shells of parameters, topics, services, lifecycle and diagnostics.

The only part of the package that imports rclpy.
"""
