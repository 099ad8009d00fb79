"""What can go wrong between a task's text and its skill vector."""

from __future__ import annotations


class ModelError(Exception):
    """A model folder, its weights or what was built from them cannot be used."""


class BackendError(Exception):
    """No engine can run the model on this machine."""


class TextError(ValueError):
    """A task description that the model cannot read; the message says why."""


class QueueFullError(Exception):
    """More tasks are waiting than the predictor may hold."""
