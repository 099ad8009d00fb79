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
    """

    name: str
    compute_capability: str

    def __str__(self) -> str:
        return self.name + (f', compute capability {self.compute_capability}'
                            if self.compute_capability else '')


ANY_DEVICE = Device('any GPU', '')
"""Where engines are compiled for the GPU at hand when they are loaded (TensorRT for RTX)."""
