"""``skill-predictor data generate``: what each option does to the requests and to the tasks."""

from __future__ import annotations

import json
import re
import threading

import pytest

for module in ('openai', 'aiolimiter'):
    pytest.importorskip(module)

from chat_server import ChatServer, Refusal  # noqa: E402
from skill_predictor.dataset.records import read_tasks  # noqa: E402

CELL = re.compile(r'^\d+\. label: (.*?); place.* (\d+) to (\d+) words', re.M)


def respond(body) -> str:
    """What the prompt asks for, pairs or cells, with texts of its own."""
    prompt = body['messages'][1]['content']
    who = prompt.partition('\n\n')[0].replace('\n', ' ')
    cells = CELL.findall(prompt)
    if cells:
        return json.dumps({'tasks': [
            {'text': ' '.join([*f'{number} {who}'.split(), *['x'] * 60][:int(low) + 1]),
             'label': [] if skills.startswith('nothing') else skills.split(', ')}
            for number, (skills, low, _) in enumerate(cells)]})
    return json.dumps({'tasks': [
        {'text': f'Task {pair} {label} {who}', 'label': label, 'pair': pair}
        for pair in range(1, 1 + int(re.search(r'Write (\d+) contrast', prompt)[1]))
        for label in (['wheels'], ['fly'])]})


@pytest.fixture
def generate(cli, tmp_path):
    """Run the command against a server."""
    guide = tmp_path / 'guide.md'
    guide.write_text('The guide.')

    def run(server, *argv, tasks=('--tasks', 3, '--per-request', 1), output='out.jsonl'):
        return cli('data', 'generate', '--model', 'm', '--base-url', server.url, '--guide', guide,
                   *tasks, '--output', tmp_path / output, *argv)
    return run


@pytest.mark.parametrize('argv, sent', [
    ([], {}), (['--temperature', '0.5'], {'temperature': 0.5}), (['--temperature', '0'], {'temperature': 0}),
    (['--max-tokens', '77'], {'max_tokens': 77}),
    (['--answer-format', 'none'], {'response_format': None}),
    (['--answer-format', 'json_object'], {'response_format': {'type': 'json_object'}})])
def test_options_of_the_model_reach_the_server(generate, chat_server, argv, sent):
    server = chat_server(respond)
    assert generate(server, *argv).code == 0
    assert len(server.requests) == 3
    for body in server.requests:
        format_of = body.get('response_format')
        if 'response_format' in sent:
            assert format_of == sent['response_format']
        else:
            assert format_of['type'] == 'json_schema'
        for key in ('temperature', 'max_tokens'):
            assert body.get(key) == sent.get(key)


def test_requests_of_a_minute_are_limited(generate, chat_server):
    server = chat_server(respond)
    generate(server, '--per-minute', 150)
    assert server.times[-1] - server.times[0] > 0.6  # three at 2.5 a second


def test_an_answer_is_waited_for_so_long(generate, chat_server, monkeypatch):
    monkeypatch.setattr('openai._base_client.INITIAL_RETRY_DELAY', 0.01)
    monkeypatch.setattr('openai._base_client.MAX_RETRY_DELAY', 0.01)
    late = threading.Event()

    def slow(body):
        late.wait(30)
        return respond(body)
    done = generate(chat_server(slow), '--timeout', 0.2, tasks=('--tasks', 1))
    late.set()
    assert done.code == 1 and 'timed out' in done.err.lower() and '0 of 1 requests done' in done.out


def test_the_run_ends_at_the_limit_of_the_cost_and_names_it(generate, chat_server):
    server = chat_server(respond)
    limited = ('--price', 1e4, 0, '--parallel', 1)  # 1 for a prompt
    done = generate(server, *limited, '--max-cost', 2)
    assert len(server.requests) == 2 and done.code == 1
    assert '2 of 3 requests done' in done.out and '--max-cost 2 is reached' in done.err
    done = generate(server, *limited, '--max-cost', 9)
    assert len(server.requests) == 3 and done.code == 0 and '--max-cost' not in done.err


def test_a_cost_that_nobody_can_know_is_not_limited(generate, chat_server):
    server = chat_server(respond)
    server.completion = lambda body, text: {**ChatServer.completion(body, text), 'usage': None}
    done = generate(server, '--price', 1, 1, '--max-cost', 5, '--parallel', 1,
                    tasks=('--tasks', 30, '--per-request', 1))
    assert done.code == 1 and '--max-cost cannot be kept; leave it out' in done.err
    assert len(server.requests) == 3


@pytest.mark.parametrize('argv', [
    ['--max-cost', 'nan'], ['--max-cost', '-1'], ['--price', 'nan', '1'], ['--price', '-5', '-5'],
    ['--timeout', 'nan'], ['--timeout', '-1'], ['--timeout', '0'], ['--temperature', 'nan'],
    ['--temperature', '2.5'], ['--seed', '-1'], ['--seed', '0.5'], ['--per-minute', '0'],
    ['--parallel', '0'], ['--max-tokens', 'many']])
def test_numbers_that_are_none_are_refused(generate, chat_server, argv):
    server = chat_server(respond)
    done = generate(server, '--price', 1, 1, *argv)
    assert done.code == 2 and argv[0] in done.err and 'unexpected' not in done.err
    assert not server.requests


def test_the_seed_makes_the_plan(generate, chat_server):
    servers = [chat_server(respond) for _ in range(3)]
    for number, (server, seed) in enumerate(zip(servers, (7, 7, 8))):
        assert generate(server, '--seed', seed, '--parallel', 1, output=f'{number}.jsonl').code == 0
    first, again, other = (server.requests for server in servers)
    assert first == again != other


def test_kinds_are_the_boundaries_of_the_pairs(generate, chat_server, tmp_path):
    done = generate(chat_server(respond), '--kinds', 'carry', 'height',
                    tasks=('--boundary-pairs', 8, '--per-request', 1))
    assert done.code == 0, done.err
    tasks = list(read_tasks(tmp_path / 'out.jsonl'))
    assert len(tasks) == 16 and {task.boundary for task in tasks} == {'carry', 'height'}
    assert generate(chat_server(respond), '--kinds', 'x', tasks=('--boundary-pairs', 1)).code == 2


def test_another_writer_is_another_run(generate, chat_server, tmp_path):
    assert generate(chat_server(respond), '--writer', 'one').code == 0
    server = chat_server(lambda body: respond(body).replace('"text": "', '"text": "now '))
    done = generate(server, '--writer', 'two')
    assert done.code == 0 and '6 tasks in' in done.out and '3 of 3 requests done' in done.out
    tasks = list(read_tasks(tmp_path / 'out.jsonl'))
    assert [task.writer for task in tasks] == ['one'] * 3 + ['two'] * 3
    assert {task.id.partition('-')[0] for task in tasks} == {'one', 'two'}


def test_output_is_tried_before_anybody_is_asked(generate, chat_server):
    server = chat_server(respond)
    done = generate(server, output='nowhere/out.jsonl')
    assert done.code == 1 and 'nowhere/out.jsonl: No such file' in done.err and not server.requests


def test_second_annotator_takes_the_same_options(cli, chat_server, tmp_path):
    (tmp_path / 'guide.md').write_text('The guide.')
    (tmp_path / 'queue.jsonl').write_text('{"id": "a", "text": "Go", "why": "sample"}\n')
    server = chat_server(lambda body: '{"labels": [{"number": 1, "label": []}]}')
    relabel = ['data', 'audit', 'relabel', tmp_path / 'queue.jsonl', '--guide', tmp_path / 'guide.md',
               '--model', 'm', '--output', tmp_path / 'a.jsonl']
    done = cli(*relabel, '--base-url', server.url, '--temperature', 1, '--max-tokens', 5,
               '--answer-format', 'none')
    assert done.code == 0 and {'temperature': 1, 'max_tokens': 5}.items() <= server.requests[0].items()
    assert 'response_format' not in server.requests[0]

    def refuse(body):
        raise Refusal(400)
    (tmp_path / 'queue.jsonl').write_text('{"id": "b", "text": "Stay", "why": "sample"}\n')
    done = cli(*relabel, '--base-url', chat_server(refuse).url)
    assert done.code == 1 and 'refused with 400' in done.err
    assert len(done.err.strip().splitlines()) == 2, 'how far it is, and why it ended'
