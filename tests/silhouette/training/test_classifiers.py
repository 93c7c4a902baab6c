"""Classifiers: cosines of any length of the features, and vertices of a simplex that never move."""

import pytest
import torch

from silhouette import Training, TrialConfig
from silhouette.config import ConfigError, make_config
from silhouette.training.classifiers import build_classifier
from silhouette.training.encoders import build_network

SHAPE = (1, 8, 8)


@pytest.mark.parametrize("kind", ["cosine", "etf"])
def test_logits_are_scaled_cosines(kind):
    classifier = build_classifier(TrialConfig(classifier=kind, classifier_scale=5.0), 16, 4)
    features = torch.randn(6, 16)
    want = 5 * torch.nn.functional.cosine_similarity(features[:, None], classifier.weight, dim=2)
    torch.testing.assert_close(classifier(features), want)
    torch.testing.assert_close(classifier(7 * features), want)


def test_under_autocast_cosines_keep_their_digits():
    classifier = build_classifier(TrialConfig(classifier="cosine"), 16, 4)
    features = torch.randn(6, 16)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(classifier(features), classifier(features.float()))
        assert classifier(features.bfloat16()).dtype == torch.float32


def test_a_simplex_is_not_trained():
    training = Training(TrialConfig(classifier="etf", epochs=1, width=4), 0)
    before = training.network.classifier.weight.clone()
    training.step()
    assert torch.equal(training.network.classifier.weight, before)
    assert "classifier.weight" not in dict(training.network.named_parameters())
    angles = before @ before.t()
    assert angles[0, 1:].tolist() == pytest.approx([-1 / 9] * 9, abs=1e-5)


@pytest.mark.parametrize("kind", ["cosine", "etf"])
def test_each_classifier_learns_the_digits(kind):
    training = Training(TrialConfig(classifier=kind, epochs=5), 0)
    while not training.done:
        training.step()
    assert training.result()["test_top1"] > 0.9


def test_two_seeds_have_two_simplices():
    config = TrialConfig(classifier="etf", width=4)
    a, b = Training(config, 0), Training(config, 1)
    assert not torch.equal(a.network.classifier.weight, b.network.classifier.weight)


def test_too_few_features_for_the_simplex_is_one_line():
    with pytest.raises(ConfigError) as caught:
        build_network(TrialConfig(classifier="etf", width=4), 100, SHAPE)
    want = (
        "classifier: etf needs at least 99 features for 100 classes, and encoder=small_cnn has 16; "
        "give a wider encoder, or classifier=cosine"
    )
    assert str(caught.value) == want
    assert build_network(TrialConfig(classifier="etf", width=4), 17, SHAPE).features == 16


@pytest.mark.parametrize("encoder", [{"encoder": "small_cnn"}, {"encoder": "mlp"}, {"encoder": "resnet32"}])
def test_a_config_knows_the_features_of_our_encoders(encoder):
    shape = {"dataset": "synthetic", "classifier": "etf", "width": 4, **encoder}
    features = build_network(TrialConfig(**{**shape, "synthetic_classes": 2}), 2, SHAPE).features
    assert make_config({**shape, "synthetic_classes": features + 1}).classifier == "etf"
    with pytest.raises(ConfigError, match=r"^classifier: etf needs as many features as there are classes, less one"):
        make_config({**shape, "synthetic_classes": features + 2})


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"objective": "ldam"}, "classifier: ldam sets margins between cosines, so it needs classifier=cosine or"),
        ({"classifier": "sine"}, "classifier: must be 'linear', 'cosine' or 'etf', got 'sine'"),
        ({"objective": "kcl"}, "transform: kcl compares two different views, so it needs an augmentation, got 'none'"),
        ({"arcface_margin": -1}, "arcface_margin: must be greater than or equal to 0, got -1"),
    ],
)
def test_bad_values_are_one_line(values, message):
    with pytest.raises(ConfigError, match=f"^{message}"):
        make_config(values)


def test_options_without_their_term_do_not_change_the_trial():
    unused = {"classifier_scale": 9, "focal_gamma": 1, "sub_centers": 5, "vs_gamma": 1, "contrast_positives": 2}
    assert make_config(unused) == make_config({})
    assert make_config({"objective": "triplet", "classifier": "cosine"}) == make_config({"objective": "triplet"})
    used = {"objective": "bcl", "classifier": "cosine", "transform": "crop_flip"}
    assert make_config(used).classifier == "cosine"
