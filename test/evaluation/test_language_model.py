"""A large language model as a baseline, against a local server that speaks the protocol."""

from __future__ import annotations

import asyncio
import json

import numpy as np
import pytest

pytest.importorskip('openai')
pytest.importorskip('aiolimiter')

from skill_predictor.dataset.chat import ChatError, ChatModel, ChatOptions  # noqa: E402
from skill_predictor.evaluation.language_model import predict  # noqa: E402
from chat_server import Refusal  # noqa: E402


def ask(server, texts, **options):
    async def work():
        async with ChatModel(ChatOptions('m', server.url, 'k', retries=0)) as model:
            return await predict(model, texts, **options)
    return asyncio.run(work())


def task_of(body):
    return body['messages'][0]['content'].partition('Task: ')[2].partition('\n')[0]


def test_each_task_is_asked_alone_and_in_order(chat_server):
    answers = {'Fly  there': ['fly'], 'Bring it': ['hands', 'wheels'], 'Add 2 and 2': []}
    by_line = {' '.join(text.split()): json.dumps({'skills': skills})
               for text, skills in answers.items()}
    server = chat_server(lambda body: by_line[task_of(body)])
    done = []
    flags, unanswered = ask(server, list(answers), on_done=done.append)
    assert flags.tolist() == [[True, False, False, False, False, False],
                              [False, True, False, False, False, True], [False] * 6]
    assert unanswered == [] and sum(done) == 3 == len(server.requests)
    prompts = {body['messages'][0]['content'].replace(task_of(body), '') for body
               in server.requests}
    assert len(prompts) == 1, 'the same prompt for all'


def test_an_unknown_skill_is_asked_again_and_then_counts_as_no_answer(chat_server):
    def respond(body):
        good = len(body['messages']) > 1 and 'swim' in task_of(body)
        return json.dumps({'skills': ['surface_water'] if good else ['swimming']})
    server = chat_server(respond)
    flags, unanswered = ask(server, ['swim', 'dive'], parallel=1)
    assert unanswered == [1] and np.flatnonzero(flags).tolist() == [3]
    assert len(server.requests) == 4


def test_answers_that_make_no_sense_do_not_end_it(chat_server):
    """However many in a row: a system that cannot answer is judged by that."""
    server = chat_server(lambda body: 'no idea' if 'hard' in task_of(body) else '{"skills": ["fly"]}')
    texts = [f'{"hard" if number % 8 > 2 else "easy"} {number}' for number in range(24)]
    flags, unanswered = ask(server, texts, parallel=1, attempts=1)
    assert unanswered == [number for number in range(24) if number % 8 > 2]
    assert flags[:, 0].tolist() == [number % 8 <= 2 for number in range(24)]


def test_a_server_that_the_environment_names_needs_no_key(chat_server, monkeypatch):
    server = chat_server(lambda body: '{"skills": []}')
    monkeypatch.delenv('OPENAI_API_KEY', raising=False)
    monkeypatch.setenv('OPENAI_BASE_URL', server.url)

    async def work():
        async with ChatModel(ChatOptions('m', retries=0)) as model:
            return await predict(model, ['go'])
    asyncio.run(work())
    assert server.keys == ['Bearer none']


@pytest.mark.parametrize('exported, sent', [('from-outside', 'from-outside'), (None, 'none')])
def test_a_named_server_gets_the_exported_key(chat_server, monkeypatch, exported, sent):
    """One of one's own asks for none, but the library wants one."""
    monkeypatch.delenv('OPENAI_API_KEY', raising=False)
    if exported:
        monkeypatch.setenv('OPENAI_API_KEY', exported)
    server = chat_server(lambda body: '{"skills": []}')

    async def work():
        async with ChatModel(ChatOptions('m', server.url, retries=0)) as model:
            return await predict(model, ['go'])
    asyncio.run(work())
    assert server.keys == [f'Bearer {sent}']


def test_a_server_that_refuses_ends_it(chat_server):
    def respond(body):
        raise Refusal(401)
    with pytest.raises(ChatError, match='refused with 401'):
        ask(chat_server(respond), ['a', 'b', 'c', 'd'])
