"""``skill-predictor info``: which model and which engines this installation would use."""

from __future__ import annotations

import argparse
import json
import platform
from dataclasses import asdict
from importlib import metadata
from typing import Any

from . import add_model_option
from .. import __version__

_EXAMPLES = """\
It reads the model's own files only; the published encoders' weights need not be there.

examples:
  skill-predictor info
  skill-predictor info --json
  skill-predictor info --model models/my-model
"""

LIBRARIES = {
    'numpy': ('numpy',), 'tokenizers': ('tokenizers',), 'safetensors': ('safetensors',),
    'onnx': ('onnx',), 'onnxruntime': ('onnxruntime', 'onnxruntime-gpu'),
    'tensorrt': ('tensorrt', 'tensorrt-cu13', 'tensorrt-cu12'),
    'tensorrt_rtx': ('tensorrt-rtx', 'tensorrt-rtx-cu13', 'tensorrt-rtx-cu12'),
    'pycuda': ('pycuda',)}
"""Libraries that engines are made of, and the distributions that bring them."""


def add_parser(subparsers) -> None:
    """Add the sub-command to the parser."""
    parser = subparsers.add_parser(
        'info', help='show the model, the engines and where things lie', epilog=_EXAMPLES,
        description='Show the model, the engines that work here and why others do not, and where '
        'things lie.')
    parser.add_argument('--json', action='store_true', help='print JSON')
    add_model_option(parser)


def run(args: argparse.Namespace) -> int:
    """Show; 1 when the model cannot be used, the rest is shown all the same."""
    from ..inference.locations import cache_dir
    info = {
        'version': __version__,
        'python': platform.python_version(),
        'machine': platform.machine(),
        'model': _model(args.model),
        'backends': _backends(),
        'cache': str(cache_dir()),
        'libraries': {name: _version(names) for name, names in LIBRARIES.items()}}
    print(json.dumps(info, indent=2) if args.json else _readable(info))
    return 1 if 'error' in info['model'] else 0


def _model(wanted: str | None) -> dict[str, Any]:
    from ..inference.errors import ModelError
    from ..inference.locations import find_model
    from ..inference.store import read_model
    try:
        model = read_model(find_model(wanted))
    except ModelError as error:
        return {'error': str(error)}
    return {
        'name': model.name, 'version': model.version, 'sha256': model.sha256,
        'folder': str(model.path), 'thresholds': dict(zip(model.skills, model.thresholds)),
        'skills': list(model.skills), 'max_tokens': model.max_tokens,
        'encoders': [{'name': encoder.name, 'base': asdict(encoder.base)}
                     for encoder in model.encoders]}


def _backends() -> dict[str, dict[str, Any]]:
    from ..inference.backends import unavailable
    from ..inference.choices import ENGINES
    reasons = {name: unavailable(name) for name in ENGINES}
    return {name: {'available': reason is None, 'reason': reason}
            for name, reason in reasons.items()}


def _version(distributions: tuple[str, ...]) -> str | None:
    for name in distributions:
        try:
            return metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return None


def _readable(info: dict[str, Any]) -> str:
    rows = [('skill-predictor', f'{info["version"]}, Python {info["python"]}, {info["machine"]}')]
    rows += _model_rows(info['model'])
    rows += [(f'backend {name}', 'works here' if entry['available'] else entry['reason'])
             for name, entry in info['backends'].items()]
    rows.append(('cache', info['cache']))
    rows.append(('libraries', ', '.join(
        f'{name} {version or "not installed"}' for name, version in info['libraries'].items())))
    width = max(len(key) for key, _ in rows)
    return '\n'.join(f'{key:{width}}  {value}'.rstrip() for key, value in rows)


def _model_rows(model: dict[str, Any]) -> list[tuple[str, str]]:
    if 'error' in model:
        return [('model', model['error'])]
    rows = [
        ('model', model['version']), ('  sha256', model['sha256']), ('  folder', model['folder']),
        ('  skills', ', '.join(f'{skill} from {threshold:g}'
                               for skill, threshold in model['thresholds'].items())),
        ('  longest text', f'{model["max_tokens"]} tokens')]
    for encoder in model['encoders']:
        base = encoder['base']
        rows += [(f'  encoder {encoder["name"]}', f'{base["repository"]} at {base["revision"]}'),
                 ('', f'{base["file"]} sha256 {base["sha256"]}')]
    return rows
