"""Fixtures that every folder of tests may use."""

from __future__ import annotations

from tiny_model import _session_tiny, shared_tiny, tiny  # noqa: F401
