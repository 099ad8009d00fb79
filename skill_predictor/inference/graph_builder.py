"""Writes the nodes of an ONNX graph: constants, layers, and the casts of mixed precision."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from . import smoothing
from .errors import ModelError
from .tensor_names import ATTENTION_MASK, INPUT_IDS

if TYPE_CHECKING:
    from .known_encoders import KnownEncoder
    from .store import EncoderConfig

OPSET = 17
IR_VERSION = 8


class GraphBuilder:
    """Collects nodes and initialisers under readable names.

    Parameters
    ----------
    encoder
        Architecture that the weights must fit.
    weights
        Tensors by the names of the published encoder.
    half, smooth
        Whether the layers are in float16, and whether products are made fit for int8; see
        :func:`skill_predictor.inference.graph.build_graph`.
    """

    def __init__(self, encoder: EncoderConfig | KnownEncoder, weights: Mapping[str, np.ndarray],
                 half: bool = False, smooth: bool = False) -> None:
        self.encoder = encoder
        self.arch = encoder.architecture
        self.half = half
        self._smooth = smooth
        self._weights = weights
        self._casts: dict[tuple[str, int], str] = {}
        self._nodes: list[onnx.NodeProto] = []
        self._tensors: dict[str, onnx.TensorProto] = {}
        self._length: str | None = None

    def weight(self, name: str, shape: tuple[int, ...]) -> np.ndarray:
        try:
            tensor = self._weights[name]
        except KeyError:
            raise ModelError(f'encoder {self.encoder.name}: no weight {name!r}') from None
        if tuple(tensor.shape) != shape:
            raise ModelError(f'encoder {self.encoder.name}: {name} has shape '
                             f'{tuple(tensor.shape)}, expected {shape}')
        return np.asarray(tensor, dtype=np.float32)

    def constant(self, name: str, value: np.ndarray) -> str:
        if name not in self._tensors:
            self._tensors[name] = numpy_helper.from_array(np.ascontiguousarray(value), name)
        return name

    def half_constant(self, name: str, value: np.ndarray) -> str:
        """A constant in the precision of the layers."""
        if not self.half:
            return self.constant(name, value)
        with np.errstate(over='ignore'):
            small = value.astype(np.float16)
        if not np.isfinite(small).all():
            raise ModelError(f'encoder {self.encoder.name}: {name} holds a value of '
                             f'{np.abs(value).max():g}, too large for float16; use fp32')
        return self.constant(name, small)

    def narrow(self, x: str) -> str:
        """A float32 tensor in the precision of the layers."""
        return self._cast(x, TensorProto.FLOAT16, 'half')

    def widen(self, x: str) -> str:
        """A tensor of the layers in float32."""
        return self._cast(x, TensorProto.FLOAT, 'single')

    def _cast(self, x: str, kind: int, suffix: str) -> str:
        if not self.half:
            return x
        if (x, kind) not in self._casts:
            self._casts[x, kind] = self.op('Cast', [x], f'{x}.{suffix}', to=kind)
        return self._casts[x, kind]

    def ints(self, *values: int) -> str:
        return self.constant('ints.' + '.'.join(map(str, values)), np.array(values, np.int64))

    def scalar(self, value: float, half: bool = False) -> str:
        if half and self.half:
            return self.constant(f'scalar.{value!r}.half', np.array(value, np.float16))
        return self.constant(f'scalar.{value!r}', np.array(value, np.float32))

    def op(self, kind: str, inputs: list[str], name: str, outputs: int = 1, **attributes):
        names = [name] if outputs == 1 else [f'{name}.{index}' for index in range(outputs)]
        self._nodes.append(helper.make_node(kind, inputs, names, name=name, **attributes))
        return names[0] if outputs == 1 else names

    def table(self, kind: str) -> np.ndarray:
        """An embedding table; only its width is fixed by the architecture."""
        name = f'embeddings.{kind}_embeddings.weight'
        rows = self._weights[name].shape[0] if name in self._weights else 0
        return self.weight(name, (rows, self.arch.hidden))

    def length(self) -> str:
        """Number of tokens of the batch, as a one-element tensor."""
        if self._length is None:
            shape = self.op('Shape', [INPUT_IDS], 'shape')
            self._length = self.op('Slice', [shape, self.ints(1), self.ints(2)], 'length')
        return self._length

    def linear(self, x: str, weight: np.ndarray, bias: np.ndarray, name: str,
               half: bool = False) -> str:
        """``x @ weight.T + bias`` with PyTorch's (out, in) weight, stored as (in, out)."""
        if self._smooth and smoothing.RANGE + name in self._weights:
            x, weight = self._smoothed(x, weight, name)
        constant = self.half_constant if half else self.constant
        product = self.op('MatMul', [x, constant(f'{name}.weight', weight.T)], f'{name}.product')
        return self.op('Add', [product, constant(f'{name}.bias', bias)], name)

    def _smoothed(self, x: str, weight: np.ndarray, name: str) -> tuple[str, np.ndarray]:
        ranges = self.weight(smoothing.RANGE + name, weight.shape[1:])
        factors = smoothing.factors(ranges, weight, smoothing.EXPONENTS[smoothing.kind_of(name)])
        inverse = self.constant(f'{name}.smoothing', 1 / factors)
        return self.op('Mul', [x, inverse], f'{name}.smoothed'), weight * factors

    def layer_norm(self, x: str, source: str, name: str) -> str:
        size = (self.arch.hidden,)
        return self.op(
            'LayerNormalization',
            [x, self.constant(f'{name}.weight', self.weight(f'{source}.weight', size)),
             self.constant(f'{name}.bias', self.weight(f'{source}.bias', size))],
            name, axis=-1, epsilon=self.arch.layer_norm_eps)

    def gelu(self, x: str, name: str, half: bool = False) -> str:
        """Exact GELU (Hendrycks and Gimpel 2016), in the form that engines fuse."""
        inner = self.op('Div', [x, self.scalar(float(np.sqrt(2.0)), half)], f'{name}.scaled')
        erf = self.op('Erf', [inner], f'{name}.erf')
        plus = self.op('Add', [erf, self.scalar(1.0, half)], f'{name}.plus_one')
        product = self.op('Mul', [x, plus], f'{name}.product')
        return self.op('Mul', [product, self.scalar(0.5, half)], name)

    def finish(self, output: str, width: int) -> onnx.ModelProto:
        dynamic = ['batch', 'tokens']
        graph = helper.make_graph(
            self._nodes, f'{self.encoder.name}_skills',
            [helper.make_tensor_value_info(INPUT_IDS, TensorProto.INT64, dynamic),
             helper.make_tensor_value_info(ATTENTION_MASK, TensorProto.INT64, dynamic)],
            [helper.make_tensor_value_info(
                output, TensorProto.FLOAT, ['batch', width])],
            initializer=list(self._tensors.values()))
        return helper.make_model(
            graph, producer_name='skill_predictor', ir_version=IR_VERSION,
            opset_imports=[helper.make_opsetid('', OPSET)])
