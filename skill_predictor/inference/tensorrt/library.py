"""Which TensorRT this machine has: all differences between its kinds and versions stand here."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from types import ModuleType

from ..choices import TENSORRT_LIBRARIES
from ..errors import BackendError

_NAMES = {'tensorrt': 'TensorRT', 'tensorrt_rtx': 'TensorRT for RTX'}

LEAST_VERSION = 10


@dataclass(frozen=True)
class Library:
    """An imported TensorRT.

    Attributes
    ----------
    module : module
        ``tensorrt`` or ``tensorrt_rtx``.
    name : str
        Of the module.
    version : str
    """

    module: ModuleType
    name: str
    version: str

    def __str__(self) -> str:
        return f'{_NAMES[self.name]} {self.version}'

    @property
    def builds_without_gpu(self) -> bool:
        """TensorRT for RTX compiles for the GPU at hand only when an engine is loaded."""
        return self.name == 'tensorrt_rtx'

    @property
    def keeps_timings(self) -> bool:
        """Whether measurements of one build make the next one shorter."""
        return self.name == 'tensorrt'

    def typed_network(self, builder):
        """An empty network that keeps every tensor in the type that the graph gives it."""
        flags = getattr(self.module, 'NetworkDefinitionCreationFlag', None)
        strongly = getattr(flags, 'STRONGLY_TYPED', None)
        # Where the flag is gone, networks are never typed otherwise.
        return builder.create_network(0 if strongly is None else 1 << int(strongly))

    def messages(self):
        """A logger that keeps the last error as ``last``; warnings are about graphs' internals."""
        logger = self.module.ILogger

        class Messages(logger):
            def __init__(self) -> None:
                logger.__init__(self)
                self.last = ''

            def log(self, severity, text: str) -> None:
                if severity in (logger.ERROR, logger.INTERNAL_ERROR):
                    self.last = text
        return Messages()


def made(kind, *arguments):
    """A TensorRT object.

    Parameters
    ----------
    kind
        ``Builder`` or ``Runtime`` of the library.
    arguments
        Its own.

    Raises
    ------
    BackendError
        When the driver does not suit the library, of which TensorRT tells by a TypeError without a
        reason.
    """
    try:
        return kind(*arguments)
    except TypeError as error:
        raise BackendError(f'TensorRT does not start here ({error}); driver and library may not '
                           'suit each other') from error


def find_library(name: str = 'auto') -> Library:
    """Import TensorRT.

    Parameters
    ----------
    name
        ``tensorrt``, ``tensorrt_rtx``, or ``auto`` for the first that is there.

    Raises
    ------
    BackendError
        When there is none, or it is too old.
    """
    reasons = []
    for candidate in TENSORRT_LIBRARIES if name == 'auto' else (name,):
        try:
            module = importlib.import_module(candidate)
            version = module.__version__
        except Exception as error:  # a library that does not fit the machine raises what it likes
            reasons.append(f'{candidate}: {error or type(error).__name__}')
            continue
        # TensorRT for RTX counts its versions anew; all of them have what is needed.
        if candidate == 'tensorrt' and int(version.partition('.')[0]) < LEAST_VERSION:
            reasons.append(f'{candidate}: version {version} is older than {LEAST_VERSION}')
            continue
        return Library(module, candidate, version)
    raise BackendError(f'no TensorRT here ({"; ".join(reasons)}). JetPack 6.1 and later bring it; '
                       'elsewhere: pip install tensorrt, or tensorrt-rtx-cu13')
