"""Options and helpers that the data commands share."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from .. import add_weights_options, progress_bar, progress_lines, UsageError
from ..argument_types import above_zero, not_negative, positive, temperature, whole_number
from ...dataset.records import read_tasks, RecordError, TaskRecord

if TYPE_CHECKING:
    import numpy as np
    from ...dataset.chat import ChatModel

GUIDE = Path('data') / 'LABELING.md'


def add_chat_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that say which language model to ask, and how hard."""
    chat = parser.add_argument_group('language model, behind any server with the OpenAI chat API')
    chat.add_argument('--model', required=True, metavar='NAME', help='its name on the server')
    chat.add_argument('--base-url', metavar='URL', help='address of the server, up to /v1 '
                      "(default: $OPENAI_BASE_URL, else OpenAI's); the key is $OPENAI_API_KEY")
    chat.add_argument('--temperature', type=temperature, metavar='T',
                      help="0 to 2 (default: the server's)")
    chat.add_argument('--max-tokens', type=positive, metavar='N', help='longest answer')
    chat.add_argument('--answer-format', choices=('json_schema', 'json_object', 'none'),
                      default='json_schema', help='how the server is held to JSON '
                      '(default: json_schema)')
    chat.add_argument('--parallel', type=positive, default=4, metavar='N',
                      help='requests at once (default: 4)')
    chat.add_argument('--per-minute', type=positive, default=0, metavar='N',
                      help='most requests in a minute (default: no limit)')
    chat.add_argument('--timeout', type=above_zero, default=180.0, metavar='S',
                      help='longest wait for an answer in seconds (default: 180)')
    chat.add_argument('--price', type=not_negative, nargs=2, default=(0.0, 0.0),
                      metavar=('IN', 'OUT'),
                      help='price of a million tokens of prompts and of answers')
    chat.add_argument('--max-cost', type=not_negative, default=0.0, metavar='SUM',
                      help='stop once this much is spent; needs --price (default: no limit)')


def folds(text: str) -> int:
    """A number of folds of a cross-validation."""
    return whole_number(text, 2)


def add_guide_option(parser: argparse.ArgumentParser) -> None:
    """Add ``--guide``."""
    parser.add_argument('--guide', type=Path, default=GUIDE, metavar='FILE',
                        help=f'the labelling guide (default: {GUIDE})')


def add_encoder_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that say which encoder makes embeddings, and where its weights are."""
    parser.add_argument('--encoder', choices=('mpnet', 'minilm'), default='mpnet',
                        help='encoder of the embeddings (default: mpnet)')
    add_weights_options(parser)


def chat_model(args: argparse.Namespace) -> ChatModel:
    """The language model that the chat options name.

    Raises
    ------
    UsageError
        When a limit of the cost is given without prices.
    ImportError, ChatError
        See :class:`ChatModel`.
    """
    from ...dataset.chat import ChatModel, ChatOptions, Usage
    if args.max_cost and not any(args.price):
        raise UsageError('--max-cost needs --price IN OUT')
    return ChatModel(
        ChatOptions(args.model, args.base_url, temperature=args.temperature,
                    max_tokens=args.max_tokens, answer_format=args.answer_format,
                    timeout_s=args.timeout, per_minute=args.per_minute),
        Usage(*args.price, args.max_cost))


def read_guide(path: Path) -> str:
    """The labelling guide.

    Raises
    ------
    UsageError
        When there is none.
    """
    try:
        return path.read_text(encoding='utf-8')
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f'cannot read the labelling guide {path} ({error}); name it with '
                         '--guide') from error


def read_all(paths: Sequence[str], require_label: bool = True) -> list[TaskRecord]:
    """Tasks of several files as one list.

    Raises
    ------
    RecordError
        When a file cannot be used, or two have a task of the same id.
    """
    tasks: list[TaskRecord] = []
    source: dict[str, str] = {}
    for path in paths:
        for task in read_tasks(path, require_label=require_label):
            if task.id in source:
                raise RecordError(f'the task {task.id!r} is also in {source[task.id]}; '
                                  'give every task an id of its own', str(path))
            source[task.id] = str(path)
            tasks.append(task)
    if not tasks:
        raise RecordError('holds no task; write one JSON object per line', ', '.join(map(str, paths)))
    return tasks


def embedder(encoder: str, folder: str | None = None, offline: bool = False
             ) -> Callable[[Sequence[str]], np.ndarray]:
    """A function from texts to embeddings by a published encoder.

    Embeddings are kept in the package's cache; the encoder is loaded when a text is not there yet.

    Parameters
    ----------
    encoder
        Its name.
    folder, offline
        See :func:`skill_predictor.inference.base_weights.resolve`.

    Raises
    ------
    ModelError
        When the cache has no place; from the function when the weights cannot be had.
    """
    from ...inference import graph
    from ...inference.embedding import SentenceEmbedder
    from ...inference.embedding_cache import CachedEmbeddings
    from ...inference.known_encoders import known_encoder
    from ...inference.locations import cache_dir
    known = known_encoder(encoder)
    loaded: list[SentenceEmbedder] = []

    def compute(texts: Sequence[str], done: Callable[[int], None]) -> np.ndarray:
        if not loaded:
            with progress_lines() as say:
                loaded.append(SentenceEmbedder.load(
                    encoder, folder, offline=offline, progress=say))
        return loaded[0].embed(texts, on_done=done)

    cached = CachedEmbeddings(
        cache_dir() / 'embeddings' / f'{known.base.sha256[:16]}-{graph.VERSION}.npz',
        known.architecture.hidden, compute)

    def embed(texts: Sequence[str]) -> np.ndarray:
        with progress_bar(len(texts)) as done:
            return cached.embed(texts, done)
    return embed
