"""The rooms of the package look at each other in one direction only (docs/architecture.md)."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / 'skill_predictor'
ROS = {'rclpy', 'rcl_interfaces', 'lifecycle_msgs', 'diagnostic_msgs', 'std_msgs', 'geometry_msgs',
       'builtin_interfaces', 'launch', 'launch_ros'}
GENERATED = {'skill_predictor.msg', 'skill_predictor.srv'}
TRAINING_ONLY = {'torch', 'transformers', 'sentence_transformers', 'accelerate', 'peft'}
MAY_IMPORT = {
    'taxonomy': set(),
    'markdown': set(),
    'extras': set(),
    'outputs': set(),
    'allocation': {'taxonomy'},
    'inference': {'taxonomy'},
    'dataset': {'taxonomy', 'inference', 'markdown', 'extras', 'outputs'},
    'evaluation': {'taxonomy', 'markdown', 'extras', 'outputs', 'inference', 'dataset', 'allocation'},
    'training': {'taxonomy', 'markdown', 'inference', 'dataset', 'evaluation'},
    'commands': {'taxonomy', 'extras', 'outputs', 'inference', 'dataset', 'evaluation', 'allocation',
                 'training'},
    'cli': {'commands', 'extras'},
    'nodes': {'taxonomy', 'outputs', 'inference', 'allocation', 'evaluation', 'dataset'}}

MODULES = sorted(path.relative_to(PACKAGE) for path in PACKAGE.rglob('*.py'))


def room_of(path: Path) -> str:
    return path.parts[0].removesuffix('.py')


def imports(path: Path, source: str) -> set[str]:
    """Absolute names of all modules that a file imports, also inside functions."""
    package = ['skill_predictor', *path.parts[:-1]]
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[:len(package) - node.level + 1] if node.level else []
            module = '.'.join([*base, *([node.module] if node.module else [])])
            names |= {f'{module}.{alias.name}' for alias in node.names} | {module}
    return names


def violations(path: Path, source: str) -> list[str]:
    room = room_of(path)
    found = []
    for name in imports(path, source):
        top = name.partition('.')[0]
        if top in ROS and room != 'nodes':
            found.append(f'imports {name}, which belongs to nodes/')
        if any(name == part or name.startswith(f'{part}.') for part in GENERATED) and (
                room != 'nodes'):
            found.append(f'imports {name}, which belongs to nodes/')
        if top in TRAINING_ONLY and room != 'training':
            found.append(f'imports {name}, which belongs to training/')
        if top == 'skill_predictor' and name.count('.'):
            other = name.split('.')[1]
            if other in MAY_IMPORT and other != room and other not in MAY_IMPORT.get(room, {other}):
                found.append(f'imports {other}/, which {room} must not know')
    return found


@pytest.mark.parametrize('path', MODULES, ids=str)
def test_module_keeps_to_its_layer(path):
    assert not violations(path, (PACKAGE / path).read_text())


def test_every_room_is_known():
    rooms = {room_of(path) for path in MODULES} - {'__init__', '__main__'}
    assert rooms <= set(MAY_IMPORT), 'name the new room in MAY_IMPORT and in docs/architecture.md'


@pytest.mark.parametrize('path, source', [
    ('inference/store.py', 'import rclpy'), ('allocation/ledger.py', 'from torch import nn'),
    ('inference/graph.py', 'def f():\n    import transformers.models'),
    ('inference/store.py', 'from ..nodes import qos'), ('taxonomy.py', 'from . import inference'),
    ('evaluation/run.py', 'from skill_predictor.msg import SkillVector'),
    ('allocation/ledger.py', 'from skill_predictor.inference.store import read_model')])
def test_the_check_itself_finds_what_is_forbidden(path, source):
    assert violations(Path(path), source)


def test_serving_loads_neither_torch_nor_ros():
    """Not by any detour either: what the robot's predictor imports, in a fresh process."""
    script = (
        'import sys\n'
        'import skill_predictor.inference.predictor, skill_predictor.inference.batching\n'
        'import skill_predictor.inference.artefacts, skill_predictor.allocation.ledger\n'
        'import onnxruntime, onnxruntime.quantization\n'
        'bad = {"torch", "transformers", "rclpy"} & set(sys.modules)\n'
        'sys.exit(f"loaded {bad}" if bad else 0)\n')
    done = subprocess.run([sys.executable, '-c', script], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
