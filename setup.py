"""Installs the ROS-free parts (`pip install .`): dataset, inference, evaluation, allocation, CLI.

The ROS package, with its interfaces and nodes, is built by colcon (CMakeLists.txt).
"""

from pathlib import Path

from setuptools import setup

ROOT = Path(__file__).parent


def share(*folders):
    """Files below share/skill_predictor, where ROS puts them too."""
    return [(f'share/skill_predictor/{folder.relative_to(ROOT)}',
             [str(path.relative_to(ROOT)) for path in sorted(folder.iterdir()) if path.is_file()])
            for top in folders for folder in [ROOT / top, *sorted((ROOT / top).rglob('*'))]
            if folder.is_dir()]


setup(data_files=share('models', 'config', 'resource', 'msg'))
