"""Engines in the user's cache, under a key of everything that they depend on."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from .. import artefacts, built_files, graph
from ..built_files import Progress
from ..choices import ENGINE_PRECISIONS
from ..locations import artefacts_dir
from ..store import EncoderConfig, ReleasedModel
from .build import BUILD_VERSION, build_plan
from .device import Device
from .library import Library
from .profiles import profiles

@dataclass(frozen=True)
class EngineRequest:
    """What engine is wanted.

    Attributes
    ----------
    model : ReleasedModel
    encoder : EncoderConfig
        One of the model's.
    library : Library
    device : Device
    precision : str
        One of :data:`ENGINE_PRECISIONS`.
    """

    model: ReleasedModel
    encoder: EncoderConfig
    library: Library
    device: Device
    precision: str = ENGINE_PRECISIONS[0]

    def __post_init__(self) -> None:
        if self.precision not in ENGINE_PRECISIONS:
            raise ValueError(f'unknown precision {self.precision!r}; engines are built in '
                             f'{" or ".join(ENGINE_PRECISIONS)}')

    @property
    def ingredients(self) -> dict:
        """Everything that the engine depends on, fit for JSON."""
        return {'model_sha256': self.model.sha256, 'encoder': self.encoder.name,
                'precision': self.precision, 'graph_version': graph.VERSION,
                'library': self.library.name, 'version': self.library.version,
                'device': asdict(self.device), 'build': BUILD_VERSION,
                'profiles': [asdict(profile) for profile in profiles(self.model.max_tokens)]}

    @property
    def manifest(self) -> dict:
        """What is noted beside the engine."""
        return {'model': self.model.version, 'depends_on': self.ingredients}

    @property
    def path(self) -> Path:
        """Where the engine lies in the cache, whether it is there or not."""
        folder = f'{self.model.name}-{built_files.key(self.ingredients)[:16]}'
        return artefacts_dir() / folder / f'{self.encoder.name}.{self.precision}.engine'

    @property
    def timing_cache(self) -> Path:
        """Measurements of earlier builds of this encoder by this library on this device."""
        machine = built_files.key({'library': self.library.name, 'version': self.library.version,
                                   'device': asdict(self.device)})[:16]
        return artefacts_dir() / f'timing-{machine}-{self.encoder.name}.cache'

    @property
    def lock(self) -> Path:
        """Held while an engine is built for this device, by whichever library: two builds at once would
        spoil each other's measurements."""
        return artefacts_dir() / f'building-{built_files.key(asdict(self.device))[:16]}.lock'


def engine_file(request: EngineRequest, *, encoders_folder: str | os.PathLike | None = None,
                workspace_bytes: int | None = None, rebuild: bool = False, offline: bool = False,
                progress: Progress | None = None) -> Path:
    """Path of an engine, which is built first unless a sound one is in the cache.

    Parameters
    ----------
    request
        What is wanted.
    encoders_folder, offline
        See :func:`skill_predictor.inference.base_weights.resolve`.
    workspace_bytes
        See :func:`skill_predictor.inference.tensorrt.build.build_plan`.
    rebuild
        Build even when the cache has one, and measure all kernels anew.
    progress
        Called with a line of text at every step that takes time.

    Raises
    ------
    BackendError
        When no engine can be built.
    ModelError
        When the base weights cannot be had, or the cache cannot be written.
    """
    say = progress or (lambda line: None)
    name = request.encoder.name

    def build(path: Path) -> None:
        onnx = artefacts.onnx_file(request.model, request.encoder, request.precision,
                                   encoders_folder=encoders_folder, offline=offline, progress=say)
        _tell_of_others(request, say)
        with built_files.lock(request.lock, say):
            say(f'building the {request.precision} engine of {name} with {request.library} for '
                f'{request.device}')
            plan = build_plan(request.library, onnx, profiles(request.model.max_tokens),
                              request.precision, workspace_bytes=workspace_bytes,
                              timing_cache=request.timing_cache, forget_timings=rebuild,
                              progress=say)
        path.write_bytes(plan.content)
        say(f'built the {request.precision} engine of {name} ({len(plan.content) / 1e6:.0f} MB) in '
            f'{plan.seconds:.0f} s: {plan.layers}')

    return built_files.ensure(
        request.path, request.manifest, build, say, rebuild=rebuild)


def _tell_of_others(request: EngineRequest, say: Progress) -> None:
    """Name the engines of the same encoder that were made by another library, or for another device."""
    here = _made_by(request.ingredients)
    for path in sorted(artefacts_dir().glob(f'*/{request.path.name}')):
        try:
            noted = json.loads(path.with_suffix('.json').read_text())['depends_on']
            there, same_model = _made_by(noted), noted['model_sha256'] == request.model.sha256
        except (OSError, ValueError, LookupError, TypeError):
            continue
        other = [f'{name} {there.get(name)} instead of {value}' for name, value in here.items()
                 if there.get(name) != value]
        if same_model and other:
            say(f'{path} is of no use here ({"; ".join(other)})')


def _made_by(ingredients: dict) -> dict:
    return {'library': ingredients['library'], 'version': ingredients['version'],
            **ingredients['device']}
