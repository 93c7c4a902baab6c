"""Names, signatures and options of a person's own things: what is taken, and one line for what is not."""

import json
import sys
from importlib.metadata import EntryPoint

import numpy as np
import pytest

from silhouette import registry
from silhouette.config import ConfigError, TrialConfig, make_config, trial_id
from silhouette.registry import loading, plugins_of
from tests.helpers.plugin import NAME, write_plugin

OWN = {"encoder": f"{NAME}.nets:tiny", "dataset": f"{NAME}.data:stripes", "objective": f"ce + {NAME}.losses:arc"}


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    return write_plugin(tmp_path)


def test_options_have_the_types_of_the_signature_and_the_default_is_left_out(plugin):
    config = make_config({**OWN, "encoder.depth": 3, "arc.margin": 1, "dataset.per_class": 24, "encoder.drop": 0})
    assert config.options == {"arc.margin": 1.0, "encoder.depth": 3}
    assert isinstance(config.options["arc.margin"], float)
    assert config.setting("dataset.per_class") == 24
    assert make_config(config.model_dump(mode="json")) == config
    assert "options" not in config.model_dump(mode="json")
    assert config.model_dump(mode="json")["encoder.depth"] == 3


def test_options_are_part_of_the_identity_unless_at_their_default(plugin):
    plain, default, other = (
        trial_id(make_config({**OWN, **more}), 0, "confirm")
        for more in ({}, {"encoder.depth": 2}, {"encoder.depth": 3})
    )
    assert plain == default != other
    assert trial_id(TrialConfig(), 0, "confirm") == "cb1f548da8a2ee28"  # of version 0.1.0


def test_an_option_of_nothing_in_the_config_changes_nothing(plugin):
    assert make_config({"encoder.depth": 3, "arc.margin": 0.1}) == TrialConfig()


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ({"encoder.depht": 3}, f"encoder.depht: {NAME}.nets:tiny has no such option; did you mean depth?"),
        (
            {"encoder.depth": "x"},
            f"encoder.depth: must be an integer, as the signature of {NAME}.nets:tiny says, got 'x'",
        ),
        ({"encoder.depth": True}, "encoder.depth: must be an integer"),
        ({"arc.margin": "wide"}, "arc.margin: must be a number"),
        ({"encoder": f"{NAME}.nets:tinny"}, f"encoder: {NAME}.nets:tinny: cannot be imported (module"),
        (
            {"encoder": "nowhere.nets:tiny"},
            "encoder: nowhere.nets:tiny: cannot be imported (No module named 'nowhere')",
        ),
        ({"encoder": "tiny net"}, "encoder: must be small_cnn, mlp"),
        ({"dataset": "birds"}, "dataset: must be one of digits"),
        ({"objective": "ce + arc"}, "objective: must be terms of ce"),
        ({"objective": "ce + a.b:arc + c.d:arc"}, "objective: c.d:arc has the same name as a.b:arc; rename"),
        ({"objective": "supcon + a.b:supcon"}, "objective: a.b:supcon has the same name as supcon; rename"),
        ({"objective": "ce + a.b:encoder"}, "objective: a.b:encoder has the same name as a part of a config"),
        ({"reweight": "drw", "drw_epoch": 1}, "reweight: an own term has no value for each sample"),
    ],
)
def test_a_fault_is_one_line(plugin, values, line):
    with pytest.raises(ConfigError) as caught:
        make_config({**OWN, "encoder.depth": 3, "arc.margin": 0.1, **values})
    assert str(caught.value).startswith(line)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ("tiny = 3", "must be a function, got int"),
        ("def tiny(): ...", "must take (in_shape), with options as keyword-only arguments after *, got ()"),
        ("def tiny(in_shape, depth): ...", "must take (in_shape), with options"),
        ("def tiny(in_shape, *, depth): ...", "its option depth needs a default value, got none"),
        (
            "def tiny(in_shape, *, depth=(1, 2)): ...",
            "its option depth must have a bool, int, float or str as its type",
        ),
        ("raise RuntimeError('no licence\\nmore')", "cannot be imported (RuntimeError: no licence)"),
        ("raise SystemExit", "cannot be imported (SystemExit)"),
        ("import no_such_module", "cannot be imported (No module named 'no_such_module')"),
    ],
)
def test_a_wrong_signature_is_one_line(plugin, source, line):
    write_plugin(plugin.parent, nets=source)
    with pytest.raises(ValueError, match="tiny") as caught:
        registry.own("encoder", f"{NAME}.nets:tiny")
    assert f"{NAME}.nets:tiny" in str(caught.value)
    assert line in str(caught.value)
    assert "\n" not in str(caught.value)


def test_types_come_from_annotations_choices_or_defaults(plugin):
    source = (
        "from __future__ import annotations\nfrom typing import Literal, Optional\n"
        "def tiny(in_shape, *, a=1, b: float = 1, c: Literal['x', 'y'] = 'x', d: Optional[int] = None, e=True): ..."
    )
    write_plugin(plugin.parent, nets=source)
    name = f"{NAME}.nets:tiny"
    options = registry.own("encoder", name).options
    assert [option.kinds for option in options.values()] == [(int,), (float,), (str,), (int,), (bool,)]
    assert registry.option_value("encoder", name, "c", "y") == "y"
    assert registry.option_value("encoder", name, "d", 4) == 4
    with pytest.raises(ValueError, match=r"^c: must be one of x, y, as the signature"):
        registry.option_value("encoder", name, "c", "z")


KINDS = """
from typing import Literal
def tiny(in_shape, *, a: int | None = 1, b: int | str = 1, c: float | None = 0.5, d: Literal[1, "all"] = 1,
         e: str = "18", f: Literal["x", None] = "x", g: bool = False): ...
"""


@pytest.mark.parametrize(
    ("option", "given", "taken"),
    [
        ("a", None, None), ("a", "None", None), ("a", "6", 6), ("a", np.int64(6), 6), ("b", "2", 2), ("b", "x", "x"),
        ("c", None, None), ("c", np.float64(0.25), 0.25), ("c", "1e-3", 0.001), ("d", "all", "all"), ("f", None, None),
        ("e", "1.10", "1.10"), ("e", "007", "007"), ("e", 50, "50"), ("g", "true", True), ("g", np.bool_(True), True),
    ],
)  # fmt: skip
def test_values_are_read_by_the_signature(plugin, option, given, taken):
    write_plugin(plugin.parent, nets=KINDS)
    config = make_config({"encoder": f"{NAME}.nets:tiny", f"encoder.{option}": given})
    assert config.options == {f"encoder.{option}": taken}
    assert type(config.options[f"encoder.{option}"]) is type(taken)
    assert make_config(config.model_dump(mode="json")) == config
    assert config.setting(f"encoder.{option}") == taken


@pytest.mark.parametrize(
    ("option", "given", "line"),
    [
        ("a", "x", "encoder.a: must be an integer or None, as the signature of "),
        ("b", None, "encoder.b: must be an integer or a text, as the signature of "),
        ("c", "nan", "encoder.c: must be a number or None, as the signature of "),
        pytest.param("c", 10**400, "encoder.c: must be a number or None, as the signature of ", id="too large"),
        ("c", float("nan"), "encoder.c: must be true or false, a finite number, a text, or None, got nan"),
        ("c", float("inf"), "encoder.c: must be true or false, a finite number, a text, or None, got inf"),
        ("c", [1], "encoder.c: must be true or false, a finite number, a text, or None, got [1]"),
        ("d", True, "encoder.d: must be one of 1, all, as the signature of "),
        ("d", None, "encoder.d: must be one of 1, all, as the signature of "),
        ("f", "y", "encoder.f: must be one of x or None, as the signature of "),
        ("g", 1, "encoder.g: must be true or false, as the signature of "),
    ],
)
def test_a_value_of_another_type_is_one_line_that_names_its_type(plugin, option, given, line):
    write_plugin(plugin.parent, nets=KINDS)
    with pytest.raises(ConfigError) as caught:
        make_config({"encoder": f"{NAME}.nets:tiny", f"encoder.{option}": given})
    assert str(caught.value).startswith(line)
    assert "\n" not in str(caught.value)


def test_a_metric_is_a_plugin_with_options_as_the_others_are(plugin):
    name = f"{NAME}.metrics:spread"
    plain = make_config({"metrics": (name,)})
    assert plain.plugins == (name,)
    assert make_config({"metrics": (name,), "spread.power": 1}) == plain
    other = make_config({"metrics": ("geometry", name), "spread.power": 2})
    assert (other.options, other.setting("spread.power")) == ({"spread.power": 2.0}, 2.0)
    assert trial_id(other, 0, "confirm") != trial_id(make_config({"metrics": ("geometry", name)}), 0, "confirm")
    assert make_config({"spread.power": 2}) == TrialConfig()
    with pytest.raises(ConfigError, match=r"^spread.pow: .* has no such option; did you mean power\?"):
        make_config({"metrics": (name,), "spread.pow": 2})
    assert trial_id(TrialConfig(metrics=("a.b:f1",)), 0, "confirm") == "49d1ff140060e454"  # as before it was a plugin


def test_options_of_two_functions_of_one_name_are_refused(plugin):
    both = {"metrics": ("a.b:arc",), "objective": f"ce + {NAME}.losses:arc"}
    assert make_config(both).plugins == (f"{NAME}.losses:arc", "a.b:arc")
    with pytest.raises(ConfigError, match=rf"^arc.margin: {NAME}.losses:arc and a.b:arc have the same name; rename"):
        make_config({**both, "arc.margin": 0.1})


def test_a_function_of_a_library_may_have_arguments_that_no_setting_can_hold(plugin):
    found = registry.own("metric", "sklearn.metrics:silhouette_score").options
    assert (found["metric"].default, "random_state" in found) == ("euclidean", False)


def points(*pairs, group="silhouette.encoders"):
    wanted = group
    return lambda *, group: [EntryPoint(name, value, group) for name, value in pairs if group == wanted]


def test_an_installed_package_gives_plain_names_to_metrics(plugin, monkeypatch):
    named = (("spread", f"{NAME}.metrics:spread"), ("geometry", f"{NAME}.metrics:spread"))
    monkeypatch.setattr(loading, "entry_points", points(*named, group="silhouette.metrics"))
    loading.registered.cache_clear()
    config = make_config({"metrics": ("geometry", "spread"), "spread.power": 3})
    assert (config.plugins, config.options) == (("spread",), {"spread.power": 3.0})
    assert plugins_of(["spread"])["spread"]["source_sha256"] == plugins_of([NAME + ":x"])[NAME + ":x"]["source_sha256"]
    with pytest.raises(ConfigError, match=r"^metrics: functions must have different names .* 'spread' twice"):
        make_config({"metrics": ("spread", f"{NAME}.metrics:spread")})


def test_an_installed_package_gives_plain_names_and_ours_win(plugin, monkeypatch):
    monkeypatch.setattr(loading, "entry_points", points(("tiny", f"{NAME}.nets:tiny"), ("mlp", f"{NAME}.nets:tiny")))
    loading.registered.cache_clear()
    config = make_config({"encoder": "tiny", "encoder.depth": 4})
    assert (config.plugins, config.options) == (("tiny",), {"encoder.depth": 4})
    assert (
        plugins_of(["tiny"])["tiny"]["source_sha256"] == plugins_of([OWN["encoder"]])[OWN["encoder"]]["source_sha256"]
    )
    assert make_config({"encoder": "mlp"}).plugins == ()


def test_one_name_of_two_packages_is_refused(plugin, monkeypatch):
    monkeypatch.setattr(loading, "entry_points", points(("tiny", "a.b:tiny"), ("tiny", "c.d:tiny")))
    loading.registered.cache_clear()
    with pytest.raises(ConfigError, match=r"^encoder: tiny: is registered by a.b:tiny and by c.d:tiny; give one"):
        make_config({"encoder": "tiny"})


def test_the_digest_is_that_of_the_whole_package_and_nothing_is_imported(plugin):
    name = OWN["encoder"]
    before = plugins_of([name])[name]
    assert before["version"] is None
    assert len(before["source_sha256"]) == 12
    write_plugin(plugin.parent, helper="x = 1")
    assert plugins_of([name])[name] != before
    assert NAME not in sys.modules
    assert plugins_of(["nowhere.nets:tiny"]) == {"nowhere.nets:tiny": {"version": None, "source_sha256": None}}


def test_a_config_out_of_a_record_imports_nothing(plugin):
    metric = f"{NAME}.metrics:spread"
    text = json.dumps({**OWN, "metrics": [metric], "encoder.depth": 3, "arc.margin": 0.1, "spread.power": 2})
    config = TrialConfig(**json.loads(text))
    assert len(trial_id(config, 0, "confirm")) == 16
    assert config.plugins == (OWN["encoder"], OWN["dataset"], f"{NAME}.losses:arc", metric)
    assert NAME not in sys.modules
