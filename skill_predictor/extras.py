"""What to install for the parts that not everybody needs, and for what is missing."""

from __future__ import annotations

RUNTIME = frozenset({'numpy', 'tokenizers', 'safetensors', 'onnx', 'onnxruntime', 'huggingface_hub',
                     'rich', 'yaml'})
"""Modules of ``requirements/runtime.txt``, which everybody needs."""


def install(*extras: str) -> str:
    """The command that installs what lists in ``requirements/`` name; fit for the end of a message."""
    lists = ' '.join(f'-r requirements/{extra}.txt' for extra in extras)
    return f'pip install {lists} (in the source folder of skill_predictor)'


def advice(error: ImportError) -> str:
    """What is missing, and what to do about it.

    Parameters
    ----------
    error
        Of a module of ours, which no package index has; of a library; or one that says it by itself.
    """
    name = error.name or ''
    top = name.partition('.')[0]
    if top == __package__:
        return (f'this installation is incomplete ({error}): run `make setup`, or build again '
                '(colcon build, pip install .)')
    if top in RUNTIME and isinstance(error, ModuleNotFoundError):
        return f'{error}: {install("runtime")}'
    return f'{error} (pip install {top})' if isinstance(error, ModuleNotFoundError) and top else str(error)
