"""One zip with everything behind a report: the same bytes for the same study, complete, and without secrets."""

import hashlib
import io
import json
import re
import zipfile

import pytest

from ablations.sharing.archive import pack
from ablations.sharing.study_sources import plugin_files, plugin_names, study_files
from ablations.state.lock import DriverLock
from silhouette.registry import plugins
from silhouette.results import Store


def content(path):
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture
def files(folder):
    folder.ablate("bundle", "s.py")
    return content("s.zip")


def test_everything_behind_the_report_is_in(folder, files):
    names = set(files)
    assert {"study/s.py", "study/amounts.py", "plugins/pluggedin/__init__.py", "plugins/pluggedin/training.py"} <= names
    assert {"results/s/study.json", "results/s/records.parquet", "results/s/report/index.html"} <= names
    assert {"environment.json", "data.json", "README.md", "zenodo.json", "ro-crate-metadata.json"} <= names
    assert not any("site-packages" in name or name.startswith(("plugins/tests", "plugins/json")) for name in names)
    assert files["study/s.py"] == (folder.path / "s.py").read_bytes()
    assert files["results/s/study.json"] == folder.store().read_bytes("study.json")
    folder.ablate("report", "s.py")
    report = folder.path / "results/s/report"
    for path in report.rglob("*.*"):
        assert files[f"results/s/report/{path.relative_to(report).as_posix()}"] == path.read_bytes(), path


def test_unpacked_it_is_a_results_location(folder, files, tmp_path):
    with zipfile.ZipFile("s.zip") as archive:
        archive.extractall(tmp_path / "unpacked")
    store = Store(str(tmp_path / "unpacked/results"), "s")
    assert store.load().to_pylist() == folder.rows()
    assert "6/6 complete" in folder.ablate("status", "s.py", "--results", tmp_path / "unpacked/results")


def test_the_manifest_has_the_sum_of_every_other_file(files):
    manifest = json.loads(files["manifest.json"])
    sums = {name: hashlib.sha256(data).hexdigest() for name, data in files.items() if name != "manifest.json"}
    assert {name: entry["sha256"] for name, entry in manifest["files"].items()} == sums
    assert all(entry["bytes"] == len(files[name]) for name, entry in manifest["files"].items())
    assert (manifest["study_file"], manifest["built_in"], manifest["interim"]) == ("study/s.py", False, "")


def test_the_same_study_gives_the_same_bytes(folder):
    folder.ablate("bundle", "s.py", "--to", "one.zip")
    folder.store().compact()
    folder.copy("again")
    folder.ablate("bundle", "s.py", "--results", "again", "--to", "two.zip")
    assert (folder.path / "one.zip").read_bytes() == (folder.path / "two.zip").read_bytes()
    with zipfile.ZipFile("one.zip") as archive:
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert archive.namelist() == sorted(archive.namelist())


def test_the_metadata_are_a_valid_ro_crate(files):
    """The required fields of https://w3id.org/ro/crate/1.1: descriptor, root, and an entity for each file."""
    crate = json.loads(files["ro-crate-metadata.json"])
    assert crate["@context"] == "https://w3id.org/ro/crate/1.1/context"
    entities = {entity["@id"]: entity for entity in crate["@graph"]}
    assert len(entities) == len(crate["@graph"])
    descriptor = entities["ro-crate-metadata.json"]
    assert descriptor["@type"] == "CreativeWork"
    assert descriptor["conformsTo"] == {"@id": "https://w3id.org/ro/crate/1.1"}
    assert descriptor["about"] == {"@id": "./"}
    root = entities["./"]
    assert root["@type"] == "Dataset"
    assert all(root[key] for key in ("name", "description", "datePublished", "license"))
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", root["datePublished"])
    assert {part["@id"] for part in root["hasPart"]} == set(files) - {"ro-crate-metadata.json"}
    for part in root["hasPart"]:
        assert entities[part["@id"]]["@type"] == "File"
        assert "/" in entities[part["@id"]]["encodingFormat"]
    for entity in entities.values():
        for key, value in entity.items():
            for target in value if isinstance(value, list) else [value]:
                if isinstance(target, dict) and key != "conformsTo":
                    assert target["@id"] in entities


def test_the_deposit_marks_what_the_author_must_give(folder, files):
    deposit = json.loads(files["zenodo.json"])["metadata"]
    assert deposit["upload_type"] == "dataset"
    assert deposit["title"] == "s: Does the silhouette term change anything in two epochs?"
    assert deposit["description"]
    assert deposit["creators"][0]["name"].startswith("FILL IN")
    assert deposit["license"].startswith("FILL IN")
    newest = max(row["started_at"] for row in folder.rows())
    assert deposit["publication_date"] == newest[:10]


def test_environment_and_data_are_those_of_the_records(folder, files):
    found = json.loads(files["environment.json"])
    versions = folder.rows()[0]["versions"]
    assert found["records"]["versions"] == {versions: 6}
    assert found["bundled_with"]["python"] == json.loads(versions)["python"]
    assert any(line.startswith("numpy==") for line in found["bundled_with"]["packages"])
    assert set(json.loads(files["data.json"])) == {"digits"}


def test_no_secret_is_in_it(folder, monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s3cr3t0fmine")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "s3cr3t0fmine")
    folder.ablate("bundle", "s.py")
    for name, data in content("s.zip").items():
        assert b"s3cr3t0fmine" not in data, name
    assert b"s3cr3t0fmine" not in (folder.path / "s.zip").read_bytes()


@pytest.mark.parametrize(
    "line", ["WHERE = 's3://k3y:s3cr/3t@bucket/x'", "WHERE = 'abfs://data/x?a=1&account_key=k3y0fmine'"]
)
def test_credentials_in_a_source_are_refused_with_their_line(folder, line):
    (folder.path / "amounts.py").write_text(f"# a comment\n{line}\nWEIGHTS = (0.0, 0.5)\n")
    out = folder.ablate("bundle", "s.py", code=2)
    assert "study/amounts.py: line 2 has the credentials of a URI, which a bundle would publish; remove them" in out
    assert "k3y" not in out
    assert not (folder.path / "s.zip").exists()


def test_credentials_in_a_record_are_refused(folder):
    ids = folder.ids()
    folder.copy("bad", ids[:1], status="failed", error="PUT s3://k3y:s3cr3t@bucket failed")
    folder.copy("bad", ids[1:])
    assert f"records: error of trial {ids[0]} has the credentials" in folder.ablate(
        "bundle", "s.py", "--results", "bad", code=2
    )


def test_an_unfinished_study_is_called_interim_everywhere(folder):
    folder.copy("part", folder.ids()[:5])
    out = folder.ablate("bundle", "s.py", "--results", "part")
    words = "1 of 6 planned trials have no finished record"
    assert f"interim: {words}\n" in out
    found = content("s.zip")
    assert json.loads(found["manifest.json"])["interim"] == words
    assert f"**Interim: {words}.**" in found["README.md"].decode()
    assert json.loads(found["zenodo.json"])["metadata"]["title"].startswith("INTERIM: ")
    assert f"interim: {words}\n" in folder.ablate("verify", "s.zip")


def test_a_study_without_records_or_under_way_is_refused(folder):
    assert "STUDY: none/s must have finished records, got none" in folder.ablate(
        "bundle", "s.py", "--results", "none", code=2
    )
    folder.copy("failed", folder.ids()[:1], status="failed")
    folder.ablate("bundle", "s.py", "--results", "failed", code=2)
    with DriverLock(folder.store(), "ablate run s"):
        assert "runs s now; bundle it when that run has ended" in folder.ablate("bundle", "s.py", code=2)
    assert not (folder.path / "s.zip").exists()


def test_a_plugin_that_has_changed_is_noted(folder):
    assert "has changed since its records" not in folder.ablate("bundle", "s.py")
    plugins._plugin.cache_clear()  # another process would read the files again
    file = folder.path / "elsewhere/pluggedin/training.py"
    file.write_text(file.read_text() + "\n# changed\n")
    name = "pluggedin.training:Mine"
    assert f"note: the source of {name} has changed since its records were made" in folder.ablate("bundle", "s.py")


def test_a_study_file_that_does_not_fit_is_noted(folder):
    (folder.path / "amounts.py").write_text("WEIGHTS = (0.0, 0.7)\n")
    out = folder.ablate("bundle", "s.py")
    assert "note: the records are of another plan than this one" in out
    assert "another plan than this one" in content("s.zip")["README.md"].decode()


def test_only_an_earlier_bundle_is_replaced(folder):
    (folder.path / "mine.zip").write_bytes(pack({"a": b"1"}))
    (folder.path / "text.zip").write_bytes(b"no zip")
    for name in ("mine.zip", "text.zip"):
        before = (folder.path / name).read_bytes()
        assert "--to: there is a file that is no bundle" in folder.ablate("bundle", "s.py", "--to", name, code=2)
        assert (folder.path / name).read_bytes() == before
    assert "--to: must be a .zip file, got 's.tar'" in folder.ablate("bundle", "s.py", "--to", "s.tar", code=2)
    folder.ablate("bundle", "s.py")
    folder.ablate("bundle", "s.py")


def test_helpers_are_found_by_reading_and_nothing_is_run(tmp_path):
    (tmp_path / "own.py").write_text("import one, json\nfrom two.part import x\nraise SystemExit\n")
    (tmp_path / "one.py").write_text("def f():\n    import three, plain.inner\n")
    (tmp_path / "plain").mkdir()
    (tmp_path / "plain/inner.py").write_text("")
    (tmp_path / "three.py").write_text("import own, silhouette\n")
    (tmp_path / "unused.py").write_text("")
    (tmp_path / "two/deep/__pycache__").mkdir(parents=True)
    for name in ("two/__init__.py", "two/part.py", "two/deep/x.py", "two/deep/__pycache__/y.py"):
        (tmp_path / name).write_text("")
    found = set(study_files(tmp_path / "own.py"))
    assert found == {
        "own.py",
        "one.py",
        "three.py",
        "two/__init__.py",
        "two/part.py",
        "two/deep/x.py",
        "plain/inner.py",
    }


def test_plugins_are_those_that_the_study_names(folder):
    plan = folder.store().read_json("study.json")
    records = folder.store().load()
    assert plugin_names(plan, records) == ["pluggedin"]
    arm = {"config": {"encoder": "nets.small:tiny", "objective": "ce + 0.5*losses:arc", "dataset": "npz:/data/x.npz"}}
    more = {"arms": [arm, {"config": {"metrics": ["geometry", "nc.own:nc1"]}}], "experiment": None}
    assert plugin_names(more, records, ["later.on:nc2"]) == ["later", "losses", "nc", "nets", "pluggedin"]
    assert plugin_names(more, records.slice(0, 0)) == ["losses", "nc", "nets"]
    assert plugin_names({"arms": [], "plugins": ["tuned.nets:tiny"]}, records.slice(0, 0)) == ["tuned"]
    found, left_out = plugin_files(["numpy", "absent_plugin", "pluggedin"], None)
    assert set(found) == {"pluggedin/__init__.py", "pluggedin/training.py"}
    assert left_out == {
        "numpy": "a library that this project depends on",
        "absent_plugin": "not found on this machine",
    }


def test_what_a_plugin_imports_from_beside_it_is_bundled(tmp_path):
    (tmp_path / "nets.py").write_text("from layers import wide\n")
    (tmp_path / "layers.py").write_text("wide = 3\n")
    (tmp_path / "other.py").write_text("")
    found, left_out = plugin_files(["nets"], tmp_path)
    assert (set(found), left_out) == ({"nets.py", "layers.py"}, {})


def test_a_zip_says_nothing_but_its_content():
    packed = pack({"b/c.txt": b"2" * 1000, "a.txt": b"1"})
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        assert archive.testzip() is None
        assert archive.comment == b""
        assert [(i.filename, i.external_attr >> 16) for i in archive.infolist()] == [
            ("a.txt", 0o100644),
            ("b/c.txt", 0o100644),
        ]
