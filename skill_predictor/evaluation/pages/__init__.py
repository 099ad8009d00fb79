"""HTML pages that need no other file: one frame, and a template for each kind of report."""

from __future__ import annotations

from pathlib import Path

from ...extras import install


def render(name: str, **values: object) -> str:
    """A page.

    Parameters
    ----------
    name
        Of a template in this folder.
    **values
        ``title``, ``about`` (pairs of name and value), and what the template shows.

    Raises
    ------
    ImportError
        When jinja2 is not installed.
    """
    try:
        from jinja2 import Environment, FileSystemLoader
    except ImportError as error:
        raise ImportError(f'the report needs jinja2: {install("evaluation")}') from error
    # Texts of tasks are anybody's: they must not become markup.
    pages = Environment(autoescape=True, loader=FileSystemLoader(Path(__file__).parent))
    return pages.get_template(name).render(**values)
