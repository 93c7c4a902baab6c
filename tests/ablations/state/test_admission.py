"""Admission of a node: it must see the driver's lock file and run the driver's code."""

import os
from importlib.metadata import version

import pytest

from ablations.errors import StudyError
from ablations.state import admission
from ablations.state.lock import DriverLock
from ablations.state.provenance import plugin_sources
from silhouette.results import Store
from tests.helpers import plugin


def test_a_worker_that_does_not_see_the_driver_s_lock_file_runs_no_trial(tmp_path):
    store = Store(str(tmp_path / "seen"), "s")
    with DriverLock(store, "ablate run s") as lock:
        admission.require_admission(store.uri, "s", lock.holder)
        with pytest.raises(StudyError, match=r"does not see .*no driver.json there.*s3://"):
            admission.require_admission(str(tmp_path / "elsewhere"), "s", lock.holder)
        with pytest.raises(StudyError, match="another driver's"):
            admission.require_admission(store.uri, "s", {**lock.holder, "pid": os.getpid() + 1})
    admission.require_admission(store.uri, "s", None)  # on the driver's own machine nothing can differ


def test_a_store_that_fails_is_read_again_and_its_last_error_is_printed(tmp_path, monkeypatch):
    answers, slept = iter([OSError("SLOW_DOWN"), OSError(), {"pid": 1}]), []

    def read(*_):
        answer = next(answers, OSError("away"))
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(admission.time, "sleep", slept.append)
    monkeypatch.setattr(Store, "read_json", read)
    assert admission.mismatch(str(tmp_path), "tiny", {"pid": 1}) is None
    assert slept == [0.0, *admission.PAUSES[:2]]
    assert admission.mismatch(str(tmp_path), "tiny", {"pid": 1}) == (
        "--results",
        f"does not see {tmp_path} (away); {admission.ADVICE}",
    )


def test_a_node_with_other_sources_is_not_admitted(tmp_path):
    with pytest.raises(
        StudyError, match=r"^--address: \S+ runs sources \w{12} of this project, the driver 0{12}; sync"
    ):
        admission.require_admission(str(tmp_path), "tiny", {"sources": "0" * 12})


def test_a_mismatch_contains_no_secret(monkeypatch):
    monkeypatch.setattr(admission, "lock_file_mismatch", lambda *_: "no driver.json there")
    option, detail = admission.mismatch("s3://key:secret@bucket/x", "tiny", {})
    assert (option, "secret" in detail) == ("--results", False)
    assert detail.startswith("does not see s3://bucket/x (")


def test_a_node_needs_the_plugins_of_the_driver_with_the_same_source(tmp_path, monkeypatch):
    name, store = f"{plugin.NAME}.nets:tiny", Store(str(tmp_path / "results"), "s")
    monkeypatch.syspath_prepend(str(tmp_path))
    with DriverLock(store, "ablate run s") as lock:
        plugin.forget_plugin()
        assert admission.mismatch(store.uri, "s", {**lock.holder, "plugins": {name: "0" * 12}}) == (
            "--address",
            f"cannot import {name}; install the same version on every node, or submit with --working-dir",
        )
        plugin.write_plugin(tmp_path)
        found = plugin_sources([name])
        assert admission.mismatch(store.uri, "s", {**lock.holder, "plugins": found}) is None
        option, detail = admission.mismatch(store.uri, "s", {**lock.holder, "plugins": {name: "0" * 12}})
        assert (option, detail.partition(";")[0]) == (
            "--address",
            f"has source {found[name]} of {name}, the driver {'0' * 12}",
        )


def test_a_node_must_import_the_plugins_in_the_version_of_the_driver(tmp_path, monkeypatch):
    name, store = f"{plugin.NAME}.nets:tiny", Store(str(tmp_path / "results"), "s")
    monkeypatch.syspath_prepend(str(tmp_path))
    plugin.write_plugin(tmp_path, nets="import not_there")
    with DriverLock(store, "ablate run s") as lock:

        def answer(plugins, versions):
            return admission.mismatch(store.uri, "s", {**lock.holder, "plugins": plugins, "plugin_versions": versions})

        option, detail = answer(plugin_sources([name]), {name: None})
        assert (option, detail.partition(";")[0]) == (
            "--address",
            f"cannot use {name}: cannot be imported (No module named 'not_there')",
        )
        numpy = plugin_sources(["numpy:ptp"])
        assert answer(numpy, {"numpy:ptp": None}) is None
        assert answer(numpy, {"numpy:ptp": version("numpy")}) is None
        assert f"has version {version('numpy')} of numpy:ptp, the driver 0.1" in answer(numpy, {"numpy:ptp": "0.1"})[1]
        assert answer({"math:sqrt": None}, {}) is None  # compiled: there is no source to compare
        assert "cannot use nowhere:x: cannot be imported" in answer({"nowhere:x": None}, {})[1]
