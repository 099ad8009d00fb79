"""What TensorRT's builder is really given, noted while it builds."""

from __future__ import annotations

from typing import Any


def watch_builder(monkeypatch, trt) -> dict[str, Any]:
    """Inputs, outputs, profiles and settings of the next engine that is built; filled by the build."""
    seen: dict[str, Any] = {}
    made: list[Any] = []
    original = trt.Builder.build_serialized_network

    def tensors(get, count) -> dict[str, Any]:
        return {tensor.name: (tensor.dtype, tuple(tensor.shape)) for tensor in map(get, range(count))}

    class Builder(trt.Builder):
        def create_optimization_profile(self):
            made.append(super().create_optimization_profile())
            return made[-1]

        def build_serialized_network(self, network, config):
            inputs = tensors(network.get_input, network.num_inputs)
            seen.update(
                inputs=inputs, outputs=tensors(network.get_output, network.num_outputs),
                typed=network.get_flag(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED),
                workspace=config.get_memory_pool_limit(trt.MemoryPoolType.WORKSPACE),
                profiles={name: [[tuple(shape) for shape in profile.get_shape(name)]
                                 for profile in made] for name in inputs})
            assert len(made) == config.num_optimization_profiles
            return original(self, network, config)
    monkeypatch.setattr(trt, 'Builder', Builder)
    return seen


def check_network(seen: dict[str, Any], trt, max_tokens: int) -> None:
    """Names, types and shapes as the runtime expects them."""
    assert seen['inputs'] == {name: (trt.int64, (-1, -1)) for name in ('input_ids', 'attention_mask')}
    assert seen['outputs'] == {'probabilities': (trt.float32, (-1, 6))}
    assert seen['typed']
    # One task, a few, and many up to 64, each from the shortest text to the longest.
    shapes = [[(1, 3), (1, 24), (1, max_tokens)], [(1, 3), (4, 24), (8, max_tokens)],
              [(1, 3), (32, 24), (64, max_tokens)]]
    assert seen['profiles'] == {'input_ids': shapes, 'attention_mask': shapes}
