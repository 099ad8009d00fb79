"""What would fail at the end of a long evaluation, found out before it."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from pathlib import Path

from ..metrics import scikit_learn
from ..significance import mcnemar


def require_packages(pages: bool) -> None:
    """Look for the packages that the figures, and the page, need.

    Raises
    ------
    ImportError
        When one is not installed.
    """
    scikit_learn()
    mcnemar([True], [False])  # scipy
    if pages:
        from ..pages import render
        from ..report.plots import cumulative
        render('base.html', title='', about=[])
        cumulative({'now': [1.0]}, '')


def same_file(paths: Mapping[str, str | Path | None]) -> tuple[str, str] | None:
    """Names of two of the paths that lead to one file; ``None``: each has its own.

    Parameters
    ----------
    paths
        By name; ``-`` is standard output, and what is neither file nor missing (``/dev/null``) may be shared.
    """
    given = {name: '-' if str(path) == '-' else Path(path).resolve() for name, path in paths.items() if path}
    for (one, first), (other, second) in itertools.combinations(given.items(), 2):
        if first == second and (first == '-' or first.is_file() or not first.exists()):
            return one, other
    return None
