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
    memory_mb : int
    """

    name: str
    compute_capability: str = ''
    processors: int = 0
    memory_mb: int = 0

    def __str__(self) -> str:
        if not self.compute_capability:
            return self.name
        return (f'{self.name}, {self.processors} multiprocessors, compute capability '
                f'{self.compute_capability}')


ANY_DEVICE = Device('any GPU')
"""Where engines are compiled for the GPU at hand when they are loaded (TensorRT for RTX)."""
