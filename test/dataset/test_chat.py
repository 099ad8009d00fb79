"""Talking to a server: what is sent, what it costs, and answers that are none."""

from __future__ import annotations

import asyncio
import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

for module in ('openai', 'aiolimiter'):
    pytest.importorskip(module)

from chat_server import ChatServer, Refusal  # noqa: E402
from skill_predictor.dataset.audit.relabel import read_answers, relabel  # noqa: E402
from skill_predictor.dataset.chat import (  # noqa: E402
    AnswerError, ChatError, ChatModel, ChatOptions, Usage)
from skill_predictor.dataset.records import RecordError  # noqa: E402

MESSAGES = [{'role': 'user', 'content': 'Hello'}]
SCHEMA = {'type': 'object'}


def asked(url, usage=None, schema=SCHEMA, **options):
    async def work():
        async with ChatModel(ChatOptions('m', url, **{'retries': 0, **options}), usage) as model:
            return await model.ask(MESSAGES, schema)
    return asyncio.run(work())


@pytest.mark.parametrize('options, sent', [
    ({}, {'response_format': {'type': 'json_schema', 'json_schema': {
        'name': 'answer', 'strict': True, 'schema': SCHEMA}}}),
    ({'answer_format': 'none', 'temperature': 0.0}, {'temperature': 0.0}),
    ({'answer_format': 'json_object', 'max_tokens': 9},
     {'response_format': {'type': 'json_object'}, 'max_tokens': 9})])
def test_what_is_asked_for_is_sent(chat_server, options, sent):
    server = chat_server(lambda body: 'yes')
    assert asked(server.url, **options) == 'yes'
    assert server.requests == [{'model': 'm', 'messages': MESSAGES, **sent}]


def test_no_schema_no_format(chat_server):
    server = chat_server(lambda body: 'yes')
    asked(server.url, schema=None)
    assert 'response_format' not in server.requests[0]


def test_a_slow_answer_is_not_waited_for(chat_server):
    late = threading.Event()
    server = chat_server(lambda body: late.wait(20) and 'late' or 'late')
    with pytest.raises(ChatError, match='[Tt]imed out'):
        asked(server.url, timeout_s=0.3)
    late.set()


def without_usage(body, text):
    return {**ChatServer.completion(body, text), 'usage': None}


def test_answer_without_tokens_is_no_use_when_the_cost_has_a_limit(chat_server):
    server = chat_server(lambda body: 'yes')
    server.completion = without_usage
    with pytest.raises(ChatError, match='--max-cost cannot be kept; leave it out'):
        asked(server.url, Usage(1.0, 1.0, max_cost=1.0))
    assert asked(server.url, Usage(1.0, 1.0)) == 'yes'


@pytest.mark.parametrize('answer', [
    {'choices': []}, {'detail': 'not here'}, 'a text', [1],
    {'choices': [{'index': 0, 'message': None}]}])
def test_json_that_is_no_answer_is_explained(chat_server, answer):
    server = chat_server(lambda body: 'yes')
    server.completion = lambda body, text: answer
    with pytest.raises(ChatError, match='without content|up to /v1'):
        asked(server.url)


def test_page_of_a_web_interface_is_explained():
    class Page(BaseHTTPRequestHandler):
        def do_POST(self):
            self.send_response(200)
            self.send_header('Content-Type', 'text/html')
            self.end_headers()
            self.wfile.write(b'<html>Welcome</html>')

        def log_message(self, *args):
            pass
    server = HTTPServer(('127.0.0.1', 0), Page)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        with pytest.raises(ChatError, match='the address up to /v1'):
            asked(f'http://127.0.0.1:{server.server_port}')
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_half_a_surrogate_pair_does_not_end_the_conversation(chat_server):
    answers = iter(['no \ud83d'])
    server = chat_server(lambda body: next(answers, 'yes'))

    def parse(content):
        if content != 'yes':
            raise AnswerError('say yes')
        return content

    async def work():
        async with ChatModel(ChatOptions('m', server.url, retries=0)) as model:
            return await model.ask_until_valid(MESSAGES, SCHEMA, parse)
    assert asyncio.run(work()) == 'yes' and server.requests[1]['messages'][1]['content'] == 'no ?'


def second_labels(body):
    lines = body['messages'][1]['content'].splitlines()
    numbers = [int(line.partition('.')[0]) for line in lines if line[:1].isdigit()]
    return json.dumps({'labels': [{'number': n, 'label': ['fly']} for n in numbers]})


def labelled(server, texts, output, usage=None, parallel=1):
    async def work():
        async with ChatModel(ChatOptions('m', server.url, retries=0), usage) as model:
            return await relabel(model, 'GUIDE', texts, output, parallel=parallel)
    return asyncio.run(work())


QUEUE = {f't{number}': f'Task number {number}' for number in range(45)}


def test_relabelling_says_why_tasks_have_no_label(chat_server, tmp_path):
    def respond(body):
        raise Refusal(400)
    with pytest.raises(ChatError, match='2 of 2 tasks have no label.*refused with 400'):
        labelled(chat_server(respond), {'a': 'Go', 'b': 'Stay'}, tmp_path / 'a.jsonl')


def test_relabelling_names_the_limit_of_the_cost(chat_server, tmp_path):
    server = chat_server(second_labels)
    with pytest.raises(ChatError, match='30 of 45 tasks have no label.*--max-cost is reached'):
        labelled(server, QUEUE, tmp_path / 'a.jsonl', Usage(1e4, 0, max_cost=1))
    assert len(server.requests) == 1 and len(read_answers(tmp_path / 'a.jsonl')) == 15
    assert labelled(server, QUEUE, tmp_path / 'a.jsonl') == 45


def test_relabelling_goes_on_with_the_batches_of_before(chat_server, tmp_path):
    refused = iter([True])

    def respond(body):
        if 'number 20\n' in body['messages'][1]['content'] and next(refused, False):
            raise Refusal(400)
        return second_labels(body)
    server = chat_server(respond)
    with pytest.raises(ChatError):
        labelled(server, QUEUE, tmp_path / 'a.jsonl')
    assert labelled(server, QUEUE, tmp_path / 'a.jsonl') == 45 and len(server.requests) == 4
    prompts = [request['messages'][1]['content'] for request in server.requests]
    assert prompts[3] == prompts[1] and len(set(prompts)) == 3


def test_answers_of_another_hand_do_not_move_the_batches(chat_server, tmp_path):
    (tmp_path / 'a.jsonl').write_text('{"id": "t0", "label": []}\n{"id": "t1", "label": []}\n')
    server = chat_server(second_labels)
    assert labelled(server, QUEUE, tmp_path / 'a.jsonl') == 45
    firsts = [request['messages'][1]['content'].splitlines()[2] for request in server.requests]
    assert firsts == [f'1. Task number {number}' for number in (2, 15, 30)]


@pytest.mark.parametrize('number, label', [
    ('1e999', '[]'), ('1.5', '[]'), ('"1"', '[]'), ('1', '""'), ('1', '{"fly": false}'),
    ('1', '["\\ud83d"]')])
def test_odd_label_is_asked_for_again(chat_server, tmp_path, number, label):
    answers = iter([f'{{"labels": [{{"number": {number}, "label": {label}}}]}}'])
    server = chat_server(lambda body: next(answers, None) or second_labels(body))
    assert labelled(server, {'a': 'Go'}, tmp_path / 'a.jsonl') == 1
    assert 'is no label of a task' in server.requests[1]['messages'][-1]['content']
    assert read_answers(tmp_path / 'a.jsonl') == {'a': ('fly',)}


@pytest.mark.parametrize('label', ['""', '{"hands": false}', '"fly"'])
def test_second_label_is_a_list(tmp_path, label):
    (tmp_path / 'a.jsonl').write_text(f'{{"id": "a", "label": {label}}}\n')
    with pytest.raises(RecordError, match='line 1.*a list of skills'):
        read_answers(tmp_path / 'a.jsonl')


def test_queue_and_output_are_looked_at_before_anything_is_paid(chat_server, tmp_path):
    server = chat_server(second_labels)
    with pytest.raises(RecordError, match="the task 'a' is 5"):
        labelled(server, {'a': 5}, tmp_path / 'a.jsonl')
    with pytest.raises(OSError):
        labelled(server, {'a': 'Go'}, tmp_path / 'nowhere' / 'a.jsonl')
    assert not server.requests
