"""Numbers on the command line: what is out of range ends before anything is read."""

from __future__ import annotations

import argparse
from types import SimpleNamespace

import pytest

from skill_predictor.commands import argument_types
from skill_predictor.inference.choices import MAX_THREADS

BENCHMARK, VERIFY = ['benchmark'], ['verify', 'x']
ABLATE = ['ablate', 'x', '--recipe', 'r', '--variants', 'v', '--output', 'o']
RECORD = ['bag', 'record-demo', 'x', '--output', 'o']


@pytest.mark.parametrize('argv, said', [
    (['predict', '--threads', '99999999999', 'x'], 'from 0 to 256'),
    (['predict', '--threads', '257', 'x'], 'from 0 to 256'),
    ([*BENCHMARK, '--threads', '-3'], 'from 0 to 256'),
    ([*BENCHMARK, '--seconds', 'nan'], 'is no number of seconds; give 0 or more'),
    ([*BENCHMARK, '--seconds', '-1'], 'is no number of seconds; give 0 or more'),
    ([*BENCHMARK, '--seconds', 'inf'], 'is no number of seconds; give 0 or more'),
    ([*VERIFY, '--max-difference', 'nan'], 'is no number from 0 to 1'),
    ([*VERIFY, '--max-difference', '-3'], 'is no number from 0 to 1'),
    ([*ABLATE, '--tasks', '-5'], 'give a whole number from 1'),
    ([*ABLATE, '--judging', '0'], 'give a whole number from 1'),
    ([*ABLATE, '--seeds', '0', '-1'], 'give a whole number from 0 to 4294967295'),
    (['train', 'x', '--output', 'o', '--seed', '4294967296'], 'is above 4294967295'),
    (['bag', 'evaluate', 'x', '--max-text-length', '0'], 'give a whole number from 1'),
    (['compare', 'x', '--setfit', 'many'], "'many' is no whole number; give a whole number from 0"),
    ([*RECORD, '--period', '-1'], 'is no number of seconds'), ([*RECORD, '--first', '-2'], 'is below 0'),
    (['prepare', '--prune', 'nan'], 'is no number of days')])
def test_what_is_out_of_range_is_wrong_usage(cli, argv, said):
    done = cli(*argv)
    assert done.code == 2 and done.out == ''
    assert said in done.err.splitlines()[0]


@pytest.mark.parametrize('kind, taken', [
    ('positive', {'1': 1}), ('count', {'0': 0}), ('seed', {'0': 0, '4294967295': 2**32 - 1}),
    ('threads', {'0': 0, '256': 256}), ('seconds', {'0': 0.0, '0.5': 0.5}), ('days', {'30': 30.0}),
    ('not_negative', {'0': 0.0, '1e9': 1e9}), ('above_zero', {'0.1': 0.1}),
    ('temperature', {'0': 0.0, '2': 2.0}), ('fraction', {'0': 0.0, '1': 1.0})])
def test_each_kind_takes_its_bounds_and_no_other_number(kind, taken):
    convert = getattr(argument_types, kind)
    assert {text: convert(text) for text in taken} == taken
    beyond = {'positive': ['0'], 'above_zero': ['0'], 'seed': ['4294967296'], 'threads': ['257'],
              'temperature': ['2.1'], 'fraction': ['1.1']}.get(kind, [])
    for text in ('-1', 'nan', 'inf', '-inf', '', 'x', '9' * 5000 if kind == 'threads' else '1e999', *beyond):
        with pytest.raises(argparse.ArgumentTypeError):
            convert(text)


def test_threads_are_bounded_as_the_nodes_are():
    pytest.importorskip('rclpy')
    from skill_predictor.nodes.predictor_parameters import declare_parameters
    declared = {}
    declare_parameters(SimpleNamespace(declare=lambda name, *_, between=None, **__: declared.update(
        {name: between})))
    assert declared['threads'] == (0, MAX_THREADS)
