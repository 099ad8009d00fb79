"""What an engine is built for."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Device:
    """The GPU that an engine is for.

    Attributes
    ----------
    name : str
        As the driver calls it.
    compute_capability : str
        For example ``8.7``.
    processors : int
        Streaming multiprocessors. All Orins have one name, and a Jetson's power mode turns some off.
    memory_gib : int
        Rounded up to a power of two. All that a Jetson's system leaves counts, which changes with its
        kernel and its boot parameters; its modules have 4, 8, 16, 32 or 64.
    """

    name: str
    compute_capability: str = ''
    processors: int = 0
    memory_gib: int = 0

    def __str__(self) -> str:
        if not self.compute_capability:
            return self.name
        return (f'{self.name}, {self.processors} multiprocessors, compute capability '
                f'{self.compute_capability}')


ANY_DEVICE = Device('GPUs of compute capability 8.0 and later')
"""Where engines are compiled for the GPU at hand when they are loaded (TensorRT for RTX)."""

LEAST_OF_ANY = (8, 0)
"""Compute capability from which a GPU belongs to :data:`ANY_DEVICE`. For 7.5, TensorRT for RTX 1.7 compiles no
products in single precision, which pooling and head need."""
