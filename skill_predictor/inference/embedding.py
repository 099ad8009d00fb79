"""Sentence embeddings of the published encoders on the CPU, for duplicates, audits and probes.

ONNX Runtime runs the graph that serving would run, without a head, so that no PyTorch is needed.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

import numpy as np

from . import base_weights, known_encoders
from .graph import build_embedding_graph, EMBEDDING
from .processors import usable_processors
from .tokenizer import run_sorted, TaskTokenizer


class SentenceEmbedder:
    """One published encoder, frozen, with mean pooling (Reimers and Gurevych 2019).

    Parameters
    ----------
    known
        Which encoder.
    run
        Maps input_ids and attention_mask, int64, shape (batch, tokens), to embeddings, float32,
        shape (batch, hidden).
    tokenizer
        Makes the tokens.
    """

    def __init__(self, known: known_encoders.KnownEncoder,
                 run: Callable[[np.ndarray, np.ndarray], np.ndarray],
                 tokenizer: TaskTokenizer) -> None:
        self.known = known
        self._run = run
        self._tokenizer = tokenizer

    @classmethod
    def load(cls, name: str, folder: str | os.PathLike | None = None, *, threads: int = 0,
             offline: bool = False,
             progress: Callable[[str], None] | None = None) -> SentenceEmbedder:
        """Load an encoder by its name in :data:`KNOWN_ENCODERS`, ``mpnet`` or ``minilm``.

        Parameters
        ----------
        name
            Name of the encoder.
        folder, offline, progress
            See :func:`skill_predictor.inference.base_weights.resolve`.
        threads
            CPU threads; 0: one per core.

        Raises
        ------
        KeyError
            When there is no encoder of that name.
        ModelError
            When the weights cannot be had.
        """
        import onnxruntime
        from safetensors.numpy import load_file
        known = known_encoders.known_encoder(name)
        where = {'folder': folder, 'offline': offline, 'progress': progress}
        weights = load_file(str(base_weights.resolve(known.base, **where)))
        graph = build_embedding_graph(known, weights, known_encoders.MAX_TOKENS)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or usable_processors()
        session = onnxruntime.InferenceSession(
            graph.SerializeToString(), options, providers=['CPUExecutionProvider'])

        def run(input_ids: np.ndarray, attention_mask: np.ndarray) -> np.ndarray:
            return session.run([EMBEDDING], {
                'input_ids': input_ids, 'attention_mask': attention_mask})[0]
        tokenizer = TaskTokenizer(known_encoders.find_vocabulary(**where),
                                  known_encoders.MAX_TOKENS)
        return cls(known, run, tokenizer)

    def embed(self, texts: Sequence[str], *, batch_size: int = 32,
              on_done: Callable[[int], None] | None = None) -> np.ndarray:
        """Embeddings of texts, cleaned and tokenised as in serving.

        Parameters
        ----------
        texts
            Task descriptions as they were written.
        batch_size
            Texts per pass, at least 1.
        on_done
            Called with the number of texts done since the last call.

        Returns
        -------
        numpy.ndarray, float32, shape (len(texts), hidden)
            In the order of ``texts``, not normalised.

        Raises
        ------
        TextError
            When the predictor would refuse a text.
        """
        return run_sorted(texts, self._tokenizer, self.known.token_ids,
                          self.known.architecture.hidden, self._run, batch_size=batch_size,
                          on_done=on_done)
