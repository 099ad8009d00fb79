"""What would fail at the end of a long evaluation, found out before it."""

from __future__ import annotations

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
