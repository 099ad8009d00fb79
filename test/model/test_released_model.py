"""The released model itself, with the real encoders, through the code that the node uses."""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
import pytest

from skill_predictor.dataset.records import read_tasks
from skill_predictor.evaluation.metrics import score
from skill_predictor.inference.predictor import SkillPredictor
from skill_predictor.inference.tokenizer import batch_ids
from skill_predictor.taxonomy import to_flags

pytestmark = pytest.mark.model

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope='module')
def predictor():
    predictor = SkillPredictor.load()
    yield predictor
    predictor.close()


def test_the_hallway_task(predictor):
    started = time.monotonic()
    prediction = predictor.predict(['Bring me the fire extinguisher from the hallway'])[0]
    assert prediction.skills == ('wheels', 'hands')
    assert time.monotonic() - started < 1.0


@pytest.mark.parametrize('text, skills', [
    ('Inspect the underside of the bridge for cracks', ('fly',)),
    ('Inspect the bridge piers below the waterline', ('under_water',)),
    ('Deliver this envelope to reception', ('wheels',)),
    ('Tighten the bolts on the bench vice', ('hands',)),
    ('Replace the bulb on top of the radio mast', ('fly', 'hands')),
    ('Fish the drifting life ring out of the bay', ('surface_water', 'hands')),
    ('Cut the net that is wrapped around the propeller', ('under_water', 'hands')),
    ("Summarise yesterday's patrol reports", ())])
def test_clear_tasks_of_the_labelling_guide(predictor, text, skills):
    assert predictor.predict([text])[0].skills == skills


def test_tokens_are_those_of_the_encoders_own_tokenisers(predictor):
    """``reference_tokens.jsonl`` was written with the tokenizer.json of each published encoder."""
    lines = (Path(__file__).parent / 'reference_tokens.jsonl').read_text(encoding='utf-8')
    for line in lines.splitlines():
        reference = json.loads(line)
        row = predictor.tokenize(reference['text'])
        for encoder in predictor.model.encoders:
            ids, _ = batch_ids([row], encoder.token_ids)
            assert ids[0].tolist() == reference[encoder.name], (encoder.name, reference['text'])


def test_the_model_has_learnt_what_it_was_shown(predictor):
    """Not an accuracy claim (these are training tasks): it catches a wrong head, order or sign."""
    records = list(read_tasks(ROOT / 'data' / 'train.jsonl', require_label=True))[:150]
    predictions = predictor.predict([record.text for record in records])
    scores = score(np.array([to_flags(record.label) for record in records]),
                   np.array([prediction.required for prediction in predictions]))
    assert scores.exact_match > 0.75
