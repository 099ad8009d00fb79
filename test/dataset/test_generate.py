"""Generation against a local server: what is kept, refused, repeated and resumed."""

from __future__ import annotations

import asyncio
import json
import re

import pytest

for module in ('openai', 'aiolimiter'):
    pytest.importorskip(module)

from chat_server import Refusal  # noqa: E402
from skill_predictor.dataset.chat import ChatError, ChatModel, ChatOptions, Usage  # noqa: E402
from skill_predictor.dataset.generation.answers import AnswerError, parse  # noqa: E402
from skill_predictor.dataset.generation.generate import Generator  # noqa: E402
from skill_predictor.dataset.generation.grid import CoverageGrid, Request  # noqa: E402
from skill_predictor.dataset.records import (  # noqa: E402
    read_tasks, RecordError, TaskRecord, write_tasks)

GRID = CoverageGrid.read()
CELL = re.compile(r'^\d+\. label: (.*?); place.* (\d+) to (\d+) words', re.M)


def good_answer(body, salt=0) -> str:
    """Tasks with the labels and lengths that the prompt asks for."""
    prompt = body['messages'][1]['content']
    tasks = []
    for number, (skills, low, _) in enumerate(CELL.findall(prompt)):
        label = [] if skills.startswith('nothing') else skills.split(', ')
        words = ' '.join(['word'] * (max(4, int(low)) - 2))
        tasks.append({'text': f'Do {abs(hash((prompt, number, salt)))} {words}', 'label': label})
    return json.dumps({'tasks': tasks})


def generate(server, output, plan, usage=None, parallel=2, **options):
    async def work():
        chat = ChatOptions('m', server.url, **{'retries': 0, **options})
        async with ChatModel(chat, usage) as model:
            return await Generator(model, 'GUIDE', output, 'w1').run(plan, parallel)
    return asyncio.run(work())


def test_every_asked_task_is_kept_with_its_provenance(chat_server, tmp_path):
    server = chat_server(good_answer)
    plan = GRID.plan(20, 5, seed=1)
    usage = Usage(price_in=1e4, price_out=1e5)
    progress = generate(server, tmp_path / 'out.jsonl', plan, usage, per_minute=100_000)
    tasks = list(read_tasks(tmp_path / 'out.jsonl', require_label=True))
    assert (progress.done, progress.kept, progress.failed) == (4, 20, 0)
    asked = {request.id: request for request in plan}
    for task in tasks:
        request = asked[task.provenance['request']]
        assert (task.domain, task.writer) == (request.domain, 'w1')
        assert task.provenance['voice'] == request.voice and task.provenance['model'] == 'm'
    assert sorted(task.label for task in tasks) == sorted(
        cell.skills for request in plan for cell in request.cells)
    assert usage.tokens_in == 400 and usage.cost == pytest.approx(8.0)
    schema = server.requests[0]['response_format']['json_schema']['schema']
    assert schema['properties']['tasks']['items']['properties']['label']['items']['enum'][0] == 'fly'


def test_second_run_asks_only_for_what_is_missing(chat_server, tmp_path):
    output = tmp_path / 'out.jsonl'
    plan = GRID.plan(20, 5, seed=1)
    generate(chat_server(good_answer), output, plan[:2])
    with open(output, 'a') as stream:
        stream.write('{"id": "torn')
    server = chat_server(good_answer)
    progress = generate(server, output, plan)
    assert len(server.requests) == 2 and progress.kept == 20 and progress.done == 4
    assert len(list(read_tasks(output))) == 20


def test_bad_answer_is_sent_back_with_the_reason(chat_server, tmp_path):
    answers = iter(['sorry', '```json\n{"tasks": 3}\n```'])
    server = chat_server(lambda body: next(answers, None) or good_answer(body))
    progress = generate(server, tmp_path / 'out.jsonl', GRID.plan(3, 3, seed=1))
    assert progress.kept == 3 and len(server.requests) == 3
    assert 'not JSON' in server.requests[1]['messages'][-1]['content']
    assert 'no object with a list "tasks"' in server.requests[2]['messages'][-1]['content']


def test_wrong_label_is_left_out_and_counted(chat_server, tmp_path):
    def respond(body):
        answer = json.loads(good_answer(body))
        answer['tasks'][0]['label'] = ['fly', 'wheels', 'legs', 'surface_water', 'under_water']
        return json.dumps(answer)
    progress = generate(chat_server(respond), tmp_path / 'out.jsonl', GRID.plan(3, 3, seed=1))
    assert progress.kept == 2 and sum(progress.left_out.values()) == 1
    assert 'asked for was' in next(iter(progress.left_out))


def test_text_that_is_there_already_is_left_out(chat_server, tmp_path):
    plan = GRID.plan(2, 1, seed=1)
    same = plan[0], Request(plan[0].domain, plan[0].voice, plan[0].cells, nonce=9)
    label = list(plan[0].cells[0].skills)
    text = ' '.join(['same'] * max(4, plan[0].cells[0].length[0]))
    server = chat_server(lambda body: json.dumps({'tasks': [{'text': text, 'label': label}]}))
    progress = generate(server, tmp_path / 'out.jsonl', same, parallel=1)
    assert (progress.kept, progress.done, progress.failed) == (1, 1, 1)
    assert len(server.requests) == 4
    assert 'is there already; write others' in server.requests[-1]['messages'][-1]['content']


def test_contrast_pairs_become_groups(chat_server, tmp_path):
    def respond(body):
        return json.dumps({'tasks': [
            {'text': 'Deliver the blue box to Ana', 'label': ['wheels'], 'pair': 1},
            {'text': 'Fetch the blue box from Ana', 'label': ['wheels', 'hands'], 'pair': 1},
            {'text': 'Bring the red box to me', 'label': ['wheels', 'hands'], 'pair': 2},
            {'text': 'Fetch the red box for me', 'label': ['wheels', 'hands'], 'pair': 2},
            {'text': 'Left alone in its own pair', 'label': [], 'pair': 3}]})
    plan = GRID.plan_boundaries(3, 3, seed=1, kinds=['carry'])
    progress = generate(chat_server(respond), tmp_path / 'out.jsonl', plan)
    first, second = read_tasks(tmp_path / 'out.jsonl')
    assert first.group == second.group != '' and first.boundary == 'carry'
    assert any('both tasks have the label' in reason or 'usable tasks' in reason
               for reason in progress.left_out)


def test_a_contrast_pair_is_left_out_when_one_of_its_texts_is_there_already(chat_server, tmp_path):
    wheels, both = ['wheels'], ['wheels', 'hands']

    def respond(body):
        return json.dumps({'tasks': [
            {'text': 'Deliver the blue box to Ana', 'label': wheels, 'pair': 1},
            {'text': 'fetch  the BLUE box from Ana', 'label': both, 'pair': 1},
            {'text': 'Deliver the red box to Ben', 'label': wheels, 'pair': 2},
            {'text': 'Fetch the red box from Ben', 'label': both, 'pair': 2}]})
    output = tmp_path / 'out.jsonl'
    write_tasks([TaskRecord('old', 'Fetch the blue box from Ana', tuple(both))], output)
    plan = GRID.plan_boundaries(2, 2, seed=1, kinds=['carry'])
    progress = generate(chat_server(respond), output, plan[:1])
    assert [task.text for task in read_tasks(output)][1:] == [
        'Deliver the red box to Ben', 'Fetch the red box from Ben']
    assert progress.left_out['is there already'] == 2


def test_server_that_always_refuses_ends_the_run(chat_server, tmp_path):
    def respond(body):
        raise Refusal(401)
    server = chat_server(respond)
    with pytest.raises(ChatError, match='3 requests failed in a row.*refused with 401'):
        generate(server, tmp_path / 'out.jsonl', GRID.plan(50, 5, seed=1), parallel=1)
    assert len(server.requests) == 3


def test_refusal_for_the_rate_is_tried_again(chat_server, tmp_path):
    refusals = iter([429, 503])

    def respond(body):
        for status in refusals:
            raise Refusal(status)
        return good_answer(body)
    progress = generate(chat_server(respond), tmp_path / 'out.jsonl', GRID.plan(3, 3, seed=1),
                        retries=3)
    assert progress.kept == 3


def test_limit_of_the_rate_is_kept(chat_server, tmp_path):
    server = chat_server(good_answer)
    generate(server, tmp_path / 'out.jsonl', GRID.plan(4, 1, seed=1), per_minute=300, parallel=4)
    assert server.times[-1] - server.times[0] > 0.5  # four at 5 a second


def test_run_stops_when_the_money_is_spent(chat_server, tmp_path):
    server = chat_server(good_answer)
    progress = generate(server, tmp_path / 'out.jsonl', GRID.plan(10, 1, seed=1),
                        Usage(1e4, 0, max_cost=3), parallel=1)
    assert len(server.requests) == 3 and progress.done == 3 < progress.requests


def test_damaged_output_file_is_not_written_to(chat_server, tmp_path):
    (tmp_path / 'out.jsonl').write_text('no task\n')
    with pytest.raises(RecordError, match='line 1'):
        generate(chat_server(good_answer), tmp_path / 'out.jsonl', GRID.plan(3, 3, seed=1))
    assert (tmp_path / 'out.jsonl').read_text() == 'no task\n'


def test_unreachable_server_is_named(tmp_path):
    class Nowhere:
        url = 'http://127.0.0.1:9/v1'
    with pytest.raises(ChatError, match=r'127\.0\.0\.1:9'):
        generate(Nowhere, tmp_path / 'out.jsonl', GRID.plan(9, 3, seed=1))


@pytest.mark.parametrize('entry, said', [
    ('x', 'no object'), ({'text': 3, 'label': []}, 'no object'), ({'text': 'a b c d'}, 'no list'),
    ({'text': 'a b c d', 'label': ['swim']}, "unknown skill 'swim'"),
    ({'text': 'a b', 'label': []}, '2 words'), ({'text': 'a ' * 80, 'label': []}, '80 words'),
    ({'text': 'a b c d', 'label': ['fly']}, 'asked for was')])
def test_unusable_task_is_explained(entry, said):
    request = next(request for request in GRID.plan(400, 1, 0)
                   if request.cells[0].skills == () and request.cells[0].length[0] == 4)
    with pytest.raises(AnswerError, match=said):
        parse(json.dumps({'tasks': [entry]}), request)


def test_tasks_beyond_the_request_are_left_out():
    request = next(request for request in GRID.plan(400, 1, 0)
                   if request.cells[0].skills == () and request.cells[0].length[0] == 4)
    tasks = [{'text': 'Say hello to us', 'label': []}, {'text': 'One more for you', 'label': []}]
    kept, problems = parse(json.dumps({'tasks': tasks}), request)
    assert [task.text for task in kept] == ['Say hello to us']
    assert problems == ['task 2: was not asked for']
