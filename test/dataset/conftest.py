"""A chat server on this machine, for tests that ask a language model."""

from __future__ import annotations

from chat_server import chat_server  # noqa: F401
