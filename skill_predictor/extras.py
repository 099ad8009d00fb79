"""What to install for the parts that not everybody needs."""

from __future__ import annotations


def install(*extras: str) -> str:
    """The command that installs what lists in ``requirements/`` name; fit for the end of a message."""
    lists = ' '.join(f'-r requirements/{extra}.txt' for extra in extras)
    return f'pip install {lists} (in the source folder of skill_predictor)'
