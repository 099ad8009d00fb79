"""What the predictor's parameters are there for, each with a value that is not its default."""

from __future__ import annotations

import pytest
from rclpy.parameter import Parameter
from std_msgs.msg import String

from skill_predictor.inference.backends import BackendOptions
from skill_predictor.inference.errors import ModelError
from skill_predictor.inference.predictor import SkillPredictor
from skill_predictor.msg import TaskDescription
from skill_predictor.nodes.predictor import SkillPredictorNode
from skill_predictor.srv import GetModelInfo, PredictSkills
from tiny_model import write_tiny_model

pytestmark = pytest.mark.ros


def test_a_node_with_other_values_than_the_defaults(start, client, tiny_model):
    start('skill_predictor_node', model=str(tiny_model.folder), backend='onnxruntime',
          precision='fp32', encoders_folder=str(tiny_model.encoders), threads=3,
          max_text_length=20, text_topics=[''])
    client.wait_for_state('skill_predictor', 'active')
    assert client.call(GetModelInfo, 'get_model_info').device == 'CPU, fp32, 3 threads'
    answer = client.call(PredictSkills, 'predict_skills', PredictSkills.Request(
        tasks=[TaskDescription(text=text) for text in ('sweep the long decks', 'sweep the large decks')]))
    assert [bool(error) for error in answer.errors] == [False, True], 'of 20 and 21 characters'
    assert '20' in answer.errors[1]
    tasks = client.node.create_publisher(TaskDescription, 'tasks', 10)
    texts = client.node.create_publisher(String, 'task_text', 10)
    client.connected(tasks)
    client.spin(0.5)
    assert texts.get_subscription_count() == 0
    client.node.destroy_publisher(tasks)
    client.node.destroy_publisher(texts)


@pytest.mark.parametrize('correct', [True, False])
def test_mistyped_words_are_read_as_meant_unless_it_is_turned_off(start, client, tmp_path, correct):
    model = write_tiny_model(tmp_path)
    model.add_words(bring=90, the=200)
    node = start('skill_predictor_node', '--log-level', 'skill_predictor:=debug', model=str(model.folder),
                 backend='onnxruntime', precision='fp32', encoders_folder=str(model.encoders),
                 correct_spelling=correct)
    client.wait_for_state('skill_predictor', 'active')
    mistyped, meant = client.call(PredictSkills, 'predict_skills', PredictSkills.Request(
        tasks=[TaskDescription(text=text) for text in ('please brign the box', 'please bring the box')])).vectors
    assert (list(mistyped.probabilities) == pytest.approx(list(meant.probabilities), abs=1e-5)) == correct
    assert mistyped.task.text == 'please brign the box', 'the vector has what was sent'
    assert ("'please brign the box' is read as 'please bring the box'" in node.log) == correct


def test_what_is_asked_of_the_engine_reaches_it(client, monkeypatch):
    asked = []

    def load(*arguments, **named):
        asked.extend(arguments[:3])
        raise ModelError('that is all')
    monkeypatch.setattr(SkillPredictor, 'load', load)
    node = SkillPredictorNode(context=client._context, parameter_overrides=[
        Parameter(name, value=value) for name, value in {
            'model': 'another', 'backend': 'tensorrt', 'precision': 'fp16', 'threads': 3,
            'encoders_folder': '/encoders', 'offline': True, 'fallback': False}.items()])
    try:
        node.trigger_configure()
        assert node.last_error == 'configure: that is all'
        assert asked == ['another', 'tensorrt', BackendOptions(
            precision='fp16', threads=3, encoders_folder='/encoders', offline=True, fallback=False)]
    finally:
        node.destroy_node()
