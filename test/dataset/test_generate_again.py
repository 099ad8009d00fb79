"""The same output file again: what a run that goes on asks for, and what it keeps."""

from __future__ import annotations

import asyncio
import json
import re

import pytest

for module in ('openai', 'aiolimiter'):
    pytest.importorskip(module)

from skill_predictor.dataset.chat import ChatModel, ChatOptions  # noqa: E402
from skill_predictor.dataset.generation.answers import AnswerError, parse, SLACK  # noqa: E402
from skill_predictor.dataset.generation.generate import Generator  # noqa: E402
from skill_predictor.dataset.generation.grid import CoverageGrid  # noqa: E402
from skill_predictor.dataset.records import read_tasks, TaskRecord, write_tasks  # noqa: E402

GRID = CoverageGrid.read()
PAIRS = GRID.plan_boundaries(6, 2, seed=1, kinds=['carry'])


def pair_answer(body) -> str:
    """Two contrast pairs, other ones for each prompt."""
    said = re.search(r'Domain: (.*?)\.\nWho speaks: (.*?)\.', body['messages'][1]['content'])
    tasks = []
    for pair in (1, 2):
        place = f'box {pair} of the {said[1]} for {said[2]}'
        tasks += [{'text': f'Deliver {place}', 'label': ['wheels'], 'pair': pair},
                  {'text': f'Fetch {place}', 'label': ['wheels', 'hands'], 'pair': pair}]
    return json.dumps({'tasks': tasks})


def generate(server, output, plan, writer='w1', attempts=3):
    async def work():
        async with ChatModel(ChatOptions('m', server.url, retries=0)) as model:
            return await Generator(model, 'GUIDE', output, writer, attempts).run(plan, 1)
    return asyncio.run(work())


@pytest.mark.parametrize('line, rest, asked', [
    (9, 40, 1), (10, 200, 1), (11, 3, 1),
    (8, 60, 1)])  # of the third request nothing is left, the second one is whole
def test_a_request_of_which_a_part_was_torn_off_is_asked_again(
        chat_server, tmp_path, line, rest, asked):
    output = tmp_path / 'out.jsonl'
    generate(chat_server(pair_answer), output, PAIRS)
    whole = output.read_bytes()
    lines = whole.splitlines(keepends=True)
    assert len(lines) == 12
    output.write_bytes(b''.join(lines[:line]) + lines[line][:rest])
    server = chat_server(pair_answer)
    progress = generate(server, output, PAIRS)
    assert len(server.requests) == asked and (progress.done, progress.kept) == (3, 12)
    tasks = list(read_tasks(output))
    assert [task.id for task in tasks] == [json.loads(entry)['id'] for entry in lines]
    assert len({task.group for task in tasks}) == 6


def test_tasks_of_other_hands_stay_when_a_line_is_torn(chat_server, tmp_path):
    output = tmp_path / 'out.jsonl'
    write_tasks([TaskRecord('m1', 'Mine alone', ('fly',))], output)
    with open(output, 'a') as stream:
        stream.write('{"id": "m2", "te')
    generate(chat_server(pair_answer), output, PAIRS[:1])
    assert [task.id for task in read_tasks(output)][0] == 'm1'
    assert len(list(read_tasks(output))) == 5


def test_another_writer_is_asked_for_the_whole_plan(chat_server, tmp_path):
    output = tmp_path / 'out.jsonl'
    generate(chat_server(pair_answer), output, PAIRS, 'one')
    server = chat_server(lambda body: pair_answer(body).replace('box', 'crate'))
    progress = generate(server, output, PAIRS, 'two')
    assert len(server.requests) == 3 and (progress.done, progress.kept) == (3, 24)
    tasks = list(read_tasks(output))
    assert [task.writer for task in tasks] == ['one'] * 12 + ['two'] * 12
    assert len({task.group for task in tasks}) == 12
    again = chat_server(pair_answer)
    assert generate(again, output, PAIRS, 'two').done == 3 and not again.requests


def test_output_that_cannot_be_written_is_found_out_before_anything_is_paid(chat_server, tmp_path):
    server = chat_server(pair_answer)
    with pytest.raises(OSError) as error:
        generate(server, tmp_path / 'nowhere' / 'out.jsonl', PAIRS)
    assert 'nowhere' in str(error.value) and not server.requests


def test_an_answer_that_says_the_same_twice_is_no_half_pair(chat_server, tmp_path):
    def respond(body):
        answer = json.loads(pair_answer(body))
        answer['tasks'][1]['text'] = answer['tasks'][0]['text'].upper()
        return json.dumps(answer)
    progress = generate(chat_server(respond), tmp_path / 'out.jsonl', PAIRS[:1])
    assert progress.left_out['is there already'] == 2
    assert {task.group[-2:] for task in read_tasks(tmp_path / 'out.jsonl')} == {'p2'}


def test_half_a_surrogate_pair_is_left_out(chat_server, tmp_path):
    def respond(body):
        answer = json.loads(pair_answer(body))
        answer['tasks'][0]['text'] += ' \ud83d'
        return json.dumps(answer)
    progress = generate(chat_server(respond), tmp_path / 'out.jsonl', PAIRS[:1])
    assert progress.kept == 2 and progress.left_out[
        'holds half of a surrogate pair, which is no character'] == 1


def cell_request(low):
    return next(request for request in GRID.plan(2000, 1, 0) if request.cells[0].length[0] == low)


@pytest.mark.parametrize('low', [length[0] for length in GRID.lengths])
def test_a_text_may_be_somewhat_longer_or_shorter_than_was_asked_for(low):
    request = cell_request(low)
    least = max(4, int(low * (1 - SLACK)))
    most = min(60, int(request.cells[0].length[1] * (1 + SLACK)) + 1)
    for words, taken in ((least - 1, False), (least, True), (most, True), (most + 1, False)):
        content = json.dumps({'tasks': [{'text': ' '.join(['word'] * words),
                                         'label': list(request.cells[0].skills)}]})
        if taken:
            assert len(parse(content, request)[0]) == 1
        else:
            with pytest.raises(AnswerError, match=f'{words} words, not {least} to {most}'):
                parse(content, request)


def test_each_reason_against_a_contrast_pair_is_said():
    tasks = [{'text': f'Bring the {number}. box to me', 'label': ['wheels', 'hands'], 'pair': pair}
             for number, pair in enumerate((1, 1, 2, 3, 3), 1)]
    tasks[4]['label'] = ['wheels']
    kept, problems = parse(json.dumps({'tasks': tasks}), PAIRS[0])
    assert [task.pair for task in kept] == [3, 3]
    assert problems == ["pair 1: both tasks have the label ['wheels', 'hands']",
                        'pair 2: has 1 usable tasks, not 2']


def test_no_register_states_a_length_of_its_own():
    assert not any(re.search(r'\d+ words', register) for register in GRID.registers)
