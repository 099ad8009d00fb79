"""Recorded operations: bags of ROS 2 (and of ROS 1) read without ROS, evaluated, and written.

``messages`` knows the types, ``reading`` a bag's events, ``evaluation`` what a model says to them.
"""
