"""Which TensorRT is taken, and what is said when there is none."""

from __future__ import annotations

import re
import sys
import types

import pytest

from skill_predictor.inference.backends import TensorRtBackend
from skill_predictor.inference.errors import BackendError
from skill_predictor.inference.tensorrt import cuda
from skill_predictor.inference.tensorrt.device import ANY_DEVICE
from skill_predictor.inference.tensorrt.library import find_library, Library


@pytest.fixture
def install(monkeypatch):
    def put(**versions):
        for name in ('tensorrt', 'tensorrt_rtx'):
            module = None
            if name in versions:
                module = types.ModuleType(name)
                module.__version__ = versions[name]
            monkeypatch.setitem(sys.modules, name, module)
    return put


def test_the_robots_library_comes_first(install):
    install(tensorrt='10.3.0', tensorrt_rtx='1.7.1')
    assert str(find_library()) == 'TensorRT 10.3.0' and not find_library().builds_without_gpu
    assert str(find_library('tensorrt_rtx')) == 'TensorRT for RTX 1.7.1'
    install(tensorrt_rtx='1.7.1')
    assert find_library().builds_without_gpu


def test_one_too_old_is_left_out(install):
    install(tensorrt='8.6.1', tensorrt_rtx='1.7.1')
    assert find_library().name == 'tensorrt_rtx'
    with pytest.raises(BackendError, match='version 8.6.1 is older than 10'):
        find_library('tensorrt')


def test_none(install):
    install()
    with pytest.raises(BackendError, match='no TensorRT here .*JetPack 6.1'):
        find_library()


def test_a_gpu_that_is_too_old_for_a_library(gpu, install):
    install(tensorrt_rtx='1.7.1')
    assert cuda.device_for(find_library()) == ANY_DEVICE and TensorRtBackend.missing() is None
    gpu.compute_capability = (7, 5)
    assert re.fullmatch('TensorRT for RTX 1.7.1 runs our engines on GPUs of compute capability 8.0 and '
                        'later, this one has 7.5; .*', TensorRtBackend.missing())
    assert cuda.missing() is None, 'TensorRT itself builds for the GPU at hand'
    install(tensorrt='10.3.0')
    assert TensorRtBackend.missing() is None
    assert cuda.device_for(find_library()).compute_capability == '7.5'


def test_networks_are_strongly_typed_by_flag_or_by_nature():
    asked = []
    builder = types.SimpleNamespace(create_network=asked.append)
    flags = types.SimpleNamespace(STRONGLY_TYPED=3)
    for module in (types.SimpleNamespace(NetworkDefinitionCreationFlag=flags),
                   types.SimpleNamespace()):
        Library(module, 'tensorrt', '11.0').typed_network(builder)
    assert asked == [8, 0]
