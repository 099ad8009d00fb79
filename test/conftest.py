"""Fixtures that every folder of tests may use, and what a skip is worth (``no_skips``)."""

from __future__ import annotations

from chat_server import chat_server  # noqa: F401
from no_skips import pytest_make_collect_report, pytest_runtest_makereport  # noqa: F401
from tiny_model import _session_tiny, shared_tiny, tiny  # noqa: F401
