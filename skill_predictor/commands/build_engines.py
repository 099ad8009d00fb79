"""``skill-predictor build-engines``: TensorRT engines of a model, before a node asks for them."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from . import add_model_option, add_weights_options, progress_lines
from .argument_types import positive
from ..inference.choices import ENGINE_PRECISIONS, TENSORRT_LIBRARIES

if TYPE_CHECKING:
    from ..inference.tensorrt.engines import EngineRequest

_EXAMPLES = """\
Engines are for one GPU and one version of TensorRT, and lie in the cache under a key of both. A node
builds them by itself when they are missing; that takes minutes on a Jetson. Where there is a GPU the
engines are then loaded, and asked in which precision each layer computes: half precision that got lost
is an error. TensorRT for RTX builds engines without a GPU.

examples:
  skill-predictor build-engines
  skill-predictor build-engines --dry-run
  skill-predictor build-engines --precision fp32 --workspace 2048
  skill-predictor build-engines --library tensorrt_rtx --rebuild
  skill-predictor build-engines --layers layers
"""


def add_parser(subparsers) -> None:
    """Add the sub-command to the parser."""
    parser = subparsers.add_parser(
        'build-engines', help='build TensorRT engines', epilog=_EXAMPLES,
        description='Build the TensorRT engines of a model, so that a node need not.')
    add_model_option(parser)
    parser.add_argument('--library', choices=('auto', *TENSORRT_LIBRARIES), default='auto',
                        help='which TensorRT (default: the first that is installed)')
    parser.add_argument('--precision', choices=ENGINE_PRECISIONS, default='fp16',
                        help='of the matrix products; layer norms, softmax and the head are in '
                             'fp32 always (default: fp16)')
    parser.add_argument('--workspace', type=_megabytes, metavar='MB',
                        help='most scratch memory of the builder; an engine that is there is built '
                        'anew only with --rebuild (default: as it sees fit)')
    add_weights_options(parser)
    parser.add_argument('--rebuild', action='store_true', help='build even what is there')
    parser.add_argument('--layers', type=Path, metavar='FOLDER', help='write what each engine tells '
                        'of its layers (names, types, kernels) into FOLDER, as JSON; needs the GPU')
    parser.add_argument('--dry-run', action='store_true', help='only say what would be built')


def _megabytes(text: str) -> int:
    return positive(text) << 20


def run(args: argparse.Namespace) -> int:
    """Build what is missing, or say what that is."""
    from ..inference.errors import BackendError
    from ..inference.tensorrt import cuda
    from ..inference.tensorrt.engines import engine_file
    requests = _requests(args)
    if args.dry_run:
        _tell(requests)
        return 0
    no_gpu = cuda.missing(requests[0].library)
    if args.layers is not None and no_gpu is not None:
        raise BackendError(f'--layers asks the engines on a GPU, but {no_gpu}')
    started = time.monotonic()
    with progress_lines(keep=True) as say:
        paths = [engine_file(request, encoders_folder=args.encoders, rebuild=args.rebuild,
                             workspace_bytes=args.workspace, offline=args.offline, progress=say)
                 for request in requests]
        if no_gpu is None:
            _inspect(requests, args, say)
        else:
            say(f'the engines were not loaded to be inspected: {no_gpu}')
    print(f'{requests[0].model.version}: {args.precision} engines for {requests[0].device} are '
          f'ready after {time.monotonic() - started:.1f} s', *(f'  {path}' for path in paths),
          sep='\n')
    return 0


def _inspect(requests: list[EngineRequest], args: argparse.Namespace,
             say: Callable[[str], None]) -> None:
    """Say what the engines compute in; refuse those that lost the precision they were built for."""
    from ..inference.backends import BackendOptions
    from ..inference.backends.tensorrt import TensorRtBackend
    options = BackendOptions(encoders_folder=args.encoders, offline=args.offline)
    with closing(TensorRtBackend.of_requests(
            requests, options, say, workspace_bytes=args.workspace)) as backend:
        if args.layers is not None:
            args.layers.mkdir(parents=True, exist_ok=True)
            for request, told in zip(requests, backend.layers()):
                path = args.layers / f'{request.encoder.name}.{request.precision}.layers.json'
                path.write_text(told, encoding='utf-8')
                say(f'wrote {path}')


def _requests(args: argparse.Namespace) -> list[EngineRequest]:
    from ..inference.locations import find_model
    from ..inference.store import read_model
    from ..inference.tensorrt import cuda
    from ..inference.tensorrt.engines import EngineRequest
    from ..inference.tensorrt.library import find_library
    model, library = read_model(find_model(args.model)), find_library(args.library)
    device = cuda.device_for(library)
    return [EngineRequest(model, encoder, library, device, args.precision)
            for encoder in model.encoders]


def _tell(requests: list[EngineRequest]) -> None:
    from ..inference.built_files import is_sound
    from ..inference.tensorrt.profiles import profiles
    first = requests[0]
    print(f'model      {first.model.version}\nlibrary    {first.library}\n'
          f'GPU        {first.device}\nprecision  {first.precision}')
    for profile in profiles(first.model.max_tokens):
        least, expected, most = (f'{tasks} x {tokens}' for tasks, tokens in profile.shapes)
        print(f'shapes     {least} to {most} tasks x tokens, fastest at {expected}')
    for request in requests:
        state = 'there' if is_sound(request.path, request.manifest) else 'to be built'
        print(f'{request.encoder.name:10} {state}: {request.path}')
