"""The recipes are whole, valid configs with the settings that the papers name."""

import pytest

from ablations.cli.parser import main
from search_spaces import RECIPES
from silhouette.config import inert_fields, make_config


@pytest.mark.parametrize("name", RECIPES)
def test_every_setting_of_a_recipe_is_valid_and_has_an_effect(name):
    """`pretrained` is for another encoder that overrides ours; there the protocol rests on it."""
    settings = RECIPES[name].settings
    config = make_config(settings)
    assert {field: getattr(config, field) for field in settings} == settings
    assert inert_fields(config) & settings.keys() == {"pretrained"}


@pytest.mark.parametrize(("name", "dataset"), [("cifar10_lt", "cifar10"), ("cifar100_lt", "cifar100")])
def test_the_protocol_of_cifar_lt(name, dataset):
    config = make_config(RECIPES[name].settings)
    assert (config.dataset, config.encoder, config.objective) == (dataset, "resnet32", "ce")
    assert (config.optimizer, config.lr, config.momentum, config.weight_decay) == ("sgd", 0.1, 0.9, 2e-4)
    assert (config.epochs, config.batch_size, config.warmup_epochs) == (200, 128, 5)
    assert (config.schedule, config.milestones, config.lr_factor) == ("multistep", (160, 180), 0.01)
    assert (config.imbalance, config.imbalance_factor, config.val_fraction) == ("long_tail", 100, 0)
    assert (config.class_order, config.subset) == ("fixed", "fixed")


def test_recipes_are_listed(capsys):
    assert main(["list", "--spaces"]) == 0
    out = capsys.readouterr().out
    assert "recipe=cifar10_lt  Cao et al. 2019" in out
    assert "milestones=160,180" in out
    assert max(map(len, out.partition("recipe=")[2].splitlines())) <= 120
