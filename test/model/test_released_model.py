"""The released model itself, with the real encoders, through the code that the node uses."""

from __future__ import annotations

import json
import random
import re
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from skill_predictor.dataset.records import label_flags, read_tasks
from skill_predictor.dataset.variants import with_typos
from skill_predictor.evaluation.metrics import score
from skill_predictor.evaluation.robustness import PLAIN, variants
from skill_predictor.inference.backends import BackendOptions
from skill_predictor.inference.backends.onnxruntime import OnnxRuntimeBackend
from skill_predictor.inference.locations import DEFAULT_MODEL, find_model
from skill_predictor.inference.predictor import SkillPredictor
from skill_predictor.inference.spelling import read_words, SpellingCorrector
from skill_predictor.inference.store import read_model
from skill_predictor.inference.text import clean_text
from skill_predictor.inference.tokenizer import batch_ids, TaskTokenizer

pytestmark = pytest.mark.model

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope='module')
def predictor():
    predictor = SkillPredictor.load()
    yield predictor
    predictor.close()


def test_the_hallway_task(predictor):
    prediction = predictor.predict(['Bring me the fire extinguisher from the hallway'])[0]
    assert prediction.skills == ('wheels', 'hands')


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


def read(split):
    """Texts and labels of a split."""
    records = list(read_tasks(ROOT / 'data' / f'{split}.jsonl', require_label=True))
    return [record.text for record in records], label_flags(records)


def one_by_one(predictor, texts):
    """As a robot asks; in int8 a batch would move the answers a little."""
    return np.array([predictor.predict([text])[0].probabilities for text in texts])


@pytest.fixture(scope='module')
def answers(predictor):
    """What is said to the tasks of ``test``, float32, shape (200, 6)."""
    return one_by_one(predictor, read('test')[0])


def check(scores, exact_match):
    assert scores.exact_match >= exact_match
    assert scores.macro_f1 >= 0.96 and scores.skills['wheels'].f1 >= 0.95


def test_figures_on_tasks_of_other_writers(answers):
    check(score(read('test')[1], answers >= 0.5), 0.94)


@pytest.mark.parametrize('split, exact_match', [
    ('test_domains', 0.95), ('test_independent', 0.94), ('test_examiners', 0.95)])
def test_figures_on_tasks_of_other_domains_and_makers(predictor, split, exact_match):
    texts, labels = read(split)
    check(score(labels, one_by_one(predictor, texts) >= 0.5), exact_match)


def test_other_manners_of_writing_cost_little(predictor):
    """At most two points each, on validation; the report has the others."""
    texts, labels = read('validation')
    distractors = (ROOT / 'data' / 'distractors_test.txt').read_text(encoding='utf-8').splitlines()
    right = {manner: ((np.array([answer.probabilities for answer in predictor.predict(changed)]) >= 0.5)
                      == labels).all(axis=1).mean()
             for manner, changed in variants(texts, distractors).items()}
    assert len(right) == 6 and right[PLAIN] >= 0.95
    assert {manner: share for manner, share in right.items() if share < right[PLAIN] - 0.02} == {}


@pytest.fixture(scope='module')
def expected(predictor):
    """What PyTorch says to the tasks of ``test``, float32, shape (200, 6)."""
    torch = pytest.importorskip('torch')
    pytest.importorskip('transformers')
    from skill_predictor.training.reference import TorchBackend
    with closing(SkillPredictor(predictor.model, TorchBackend.load(
            predictor.model, BackendOptions(), print))) as reference, torch.inference_mode():
        return reference.probabilities([predictor.tokenize(text) for text in read('test')[0]])


@pytest.mark.parametrize('form', ['fp32', 'fp16'])
def test_graphs_decide_as_pytorch_does(predictor, expected, own_cache, form):
    class OnAnyCpu(OnnxRuntimeBackend):
        """Half precision is for GPUs; a CPU rounds alike, slowly."""

        precisions = ('fp32', 'fp16')

    with closing(SkillPredictor(predictor.model, OnAnyCpu.load(
            predictor.model, BackendOptions(form), print))) as other:
        found = other.probabilities([predictor.tokenize(text) for text in read('test')[0]])
    assert np.abs(found - expected).max() < 0.01
    assert ((found >= 0.5) == (expected >= 0.5)).all()


def test_int8_is_right_about_as_often_as_pytorch(answers, expected):
    labels = read('test')[1]
    right, rounded = (((found >= 0.5) == labels).all(axis=1) for found in (expected, answers))
    assert right.sum() - rounded.sum() <= 0.005 * len(labels)


def test_documents_tell_of_this_release():
    model = read_model(find_model(None))
    card = (model.path / 'evaluation.md').read_text(encoding='utf-8')
    documents = [(ROOT / 'docs' / name).read_text(encoding='utf-8') for name in ('benchmarks.md', 'evaluation.md')]
    for text in (card, *documents):
        assert set(re.findall(r'skill-predictor-v1\+[0-9a-f]+', text)) == {model.version}
    shares = {split: f'{100 * float(value):.1f}' for split, value in re.findall(
        r'^## (\w+), [\d,]+ tasks$.*?^\| exact match \| ([\d.]+)', card, re.MULTILINE | re.DOTALL)}
    test, domains, independent, examiners = (
        shares[split] for split in ('test', 'test_domains', 'test_independent', 'test_examiners'))
    readme = ' '.join((ROOT / 'README.md').read_text(encoding='utf-8').split())
    assert f'right skills for {test} % of the 200 test tasks, {domains} % of 996' in readme
    assert f'{independent} and {examiners} % of twice 480' in readme


def test_the_weights_are_few_enough_for_git():
    folder = ROOT / 'models' / DEFAULT_MODEL
    sizes = [path.stat().st_size for path in folder.glob('*.safetensors')]
    assert sizes and sum(sizes) < 45e6


@pytest.mark.parametrize('word', (
    'skunk reboot overheat swoop inject shallots currants raisins joist larva glade reap tinder douse dismount syphon '
    'overhand elevate repel kindle braze gnats culled chamfer swale wasnt isnt havent strim stihl steri bento stube '
    'mitre longeron onshore /brigde brigde.yaml').split())
def test_rare_words_stay_as_they_are(predictor, word):
    """Each was once read as another, and most changed the skills: a skunk was sunk."""
    text = f'Please see to the {word} there'
    assert predictor.tokenize(text) == plain(predictor).tokenize(text)


def plain(predictor):
    """A tokeniser that mends nothing."""
    return TaskTokenizer(predictor.model.vocabulary, predictor.model.max_tokens)


def test_tasks_as_they_were_written_are_hardly_ever_read_otherwise(predictor):
    texts = read('validation')[0] + [sentence for name in ('distractors.txt', 'distractors_test.txt') for sentence in (
        ROOT / 'data' / name).read_text(encoding='utf-8').splitlines()]
    otherwise = [text for text in texts if predictor.tokenize(text) != plain(predictor).tokenize(clean_text(text))]
    assert len(texts) > 1500 and len(otherwise) <= len(texts) // 500


def test_mistyped_words_are_read_as_meant_or_left(predictor):
    words = read_words(predictor.model.words)
    corrector, rng = SpellingCorrector(words, plain(predictor).words), random.Random(0)
    frequent = [word for word, tasks in words.items() if tasks >= 50 and len(word) >= 5 and word.isalpha()]
    right = wrong = left = 0
    for word in rng.sample(frequent, 500):
        mistyped = with_typos(word, rng, 1.0)
        if mistyped not in words:
            meant = corrector.meant(mistyped)
            right, wrong, left = right + (meant == word), wrong + (meant not in (None, word)), left + (meant is None)
    assert right >= 250 and right >= 25 * wrong and right >= 2 * left
