"""Recipes: those that come with the package, and what is said of wrong ones."""

from __future__ import annotations

from dataclasses import asdict

import pytest

from skill_predictor.training.recipe import (make_recipe, read_recipe, Recipe, recipe_names,
                                             RecipeError)


def test_recipes_of_the_package_can_be_read():
    assert recipe_names() == ['minilm', 'mpnet', 'paper-minilm', 'paper-mpnet']
    for name in recipe_names():
        assert read_recipe(name).encoder == name.removeprefix('paper-')


def test_changes_replace_settings():
    recipe = read_recipe('mpnet', ['epochs=2', 'encoder_rate=3e-5', 'head_layers=[16, 8]',
                                   'pairs_together=true'])
    assert (recipe.epochs, recipe.encoder_rate, recipe.head_layers, recipe.pairs_together) == (
        2, 3e-5, (16, 8), True)
    assert recipe.adapter_rank == read_recipe('mpnet').adapter_rank


def test_a_recipe_survives_json():
    recipe = Recipe(encoder='minilm', head_layers=(4,), typos=0.25)
    assert make_recipe({**asdict(recipe), 'head_layers': [4]}) == recipe


@pytest.mark.parametrize('text, said', [
    ('epochs: 3', 'there is no "encoder"'),
    ('encoder: bert', "encoder is 'bert'; choose one of mpnet, minilm"),
    ('encoder: minilm\nepoch: 3', "no setting 'epoch'; did you mean epochs"),
    ('encoder: minilm\nepochs: many', "epochs is 'many', which is no int"),
    ('encoder: minilm\nepochs: 2.5', 'which is no int'),
    ('encoder: minilm\nepochs: .inf', 'which is no int'),
    ('encoder: minilm\nepochs: .nan', 'which is no int'),
    ('encoder: minilm\nepochs: true', 'which is no int'),
    ('encoder: minilm\nepochs: 0', 'epochs is 0; it must be at least 1'),
    ('encoder: minilm\ndropout: 1', 'dropout is 1.0; it must be at least 0 and below 1'),
    ('encoder: minilm\nlayer_decay: 0', 'layer_decay is 0.0'),
    ('encoder: minilm\npooling: max', "pooling is 'max'; choose one of mean, attention"),
    ('encoder: minilm\nhead_layers: [0]', 'a width below 1'),
    ('encoder: minilm\nhead_layers: 5', 'head_layers is 5'),
    ('- encoder', 'no list of "key: value"'),
    ('a: [', 'not valid YAML')])
def test_wrong_recipes_are_explained(tmp_path, text, said):
    path = tmp_path / 'recipe.yaml'
    path.write_text(text)
    with pytest.raises(RecipeError) as error:
        read_recipe(path)
    assert said in str(error.value) and str(path) in str(error.value)


def test_unknown_recipe_and_change():
    with pytest.raises(RecipeError, match='name a YAML file or one of minilm, mpnet'):
        read_recipe('mpnett')
    with pytest.raises(RecipeError, match="'epochs' is no change such as epochs=2"):
        read_recipe('mpnet', ['epochs'])
