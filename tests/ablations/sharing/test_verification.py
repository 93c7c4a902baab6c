"""A bundle of somebody else: what was tampered with is named, nothing leaves the folder, no code runs unasked."""

import json
import stat
import sys
import zipfile
from pathlib import Path

import pytest

from ablations.sharing import archive as archives
from ablations.sharing import environment, verification
from ablations.sharing.archive import pack


@pytest.fixture(scope="session")
def packed(trained, tmp_path_factory):
    """The bytes of the bundle of the trained study."""
    from ablations.cli.parser import main

    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(trained)
        patch.setattr(sys, "path", [str(trained / "elsewhere"), *sys.path])
        target = tmp_path_factory.mktemp("bundle") / "s.zip"
        assert main(["bundle", "s.py", "--to", str(target)]) == 0
    return target.read_bytes()


@pytest.fixture
def bundle(folder, packed):
    for name in [name for name in sys.modules if name.partition(".")[0] == "pluggedin"]:
        del sys.modules[name]
    (folder.path / "s.zip").write_bytes(packed)
    for name in ("s.py", "amounts.py", "elsewhere", "results"):  # as on another machine
        (folder.path / name).rename(folder.path / f"not_{name}")
    return folder


def content():
    with zipfile.ZipFile("s.zip") as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def write(files, path="s.zip"):
    Path(path).write_bytes(pack(files))


def relisted(files):
    """The files with a manifest that fits them, as somebody who tampers with care writes it."""
    import hashlib

    manifest = json.loads(files["manifest.json"])
    sums = {name: {"sha256": hashlib.sha256(data).hexdigest()} for name, data in files.items()}
    manifest["files"] = {name: entry for name, entry in sums.items() if name != "manifest.json"}
    return {**files, "manifest.json": json.dumps(manifest).encode()}


def test_a_bundle_is_verified_on_another_machine_without_its_code(bundle):
    out = bundle.ablate("verify", "s.zip")
    assert "files as the manifest says" in out
    assert "report: identical, " in out
    assert "byte for byte" in out
    assert "pluggedin" not in sys.modules
    assert sorted(path.name for path in bundle.path.iterdir() if not path.name.startswith("not_")) == ["s.zip"]


def test_it_is_unpacked_where_it_is_asked_for(bundle):
    assert "unpacked in there" in bundle.ablate("verify", "s.zip", "--to", "there")
    found = {path.relative_to("there").as_posix(): path.read_bytes() for path in Path("there").rglob("*.*")}
    assert found == content()
    assert "--to: must be a new or empty folder, got 'there'" in bundle.ablate(
        "verify", "s.zip", "--to", "there", code=2
    )


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (lambda files: files.update({"study/s.py": b"STUDY = None\n"}), "study/s.py: changed, its SHA-256 is "),
        (lambda files: files.pop("results/s/records.parquet"), "results/s/records.parquet: missing"),
        (lambda files: files.update({"study/more.py": b""}), "study/more.py: not in the manifest"),
    ],
)
def test_what_was_tampered_with_is_named_and_not_unpacked(bundle, change, line):
    files = content()
    change(files)
    write(files)
    out = bundle.ablate("verify", "s.zip", "--to", "there", code=1)
    assert out.startswith(line)
    assert "not verified: 1 fault in s.zip" in out
    assert list(Path("there").iterdir()) == []


def test_several_faults_are_one_line_each(bundle):
    files = content()
    del files["data.json"]
    files |= {"extra": b"", "README.md": b"other"}
    write(files)
    lines = bundle.ablate("verify", "s.zip", code=1).splitlines()
    assert [line.split(":")[0] for line in lines] == ["data.json", "README.md", "extra", "not verified"]


def test_a_damaged_stream_is_named(bundle):
    with zipfile.ZipFile("s.zip") as archive:
        info = archive.getinfo("results/s/records.parquet")
    data = bytearray(Path("s.zip").read_bytes())
    at = info.header_offset + 200
    data[at : at + 40] = bytes(40)
    Path("s.zip").write_bytes(bytes(data))
    out = bundle.ablate("verify", "s.zip", code=1)
    assert out.startswith("results/s/records.parquet: damaged (")


def add(info, data=b"x", **attributes):
    for key, value in attributes.items():
        setattr(info, key, value)
    with zipfile.ZipFile("s.zip", "a") as archive:
        archive.writestr(info, data)


@pytest.mark.parametrize("name", ["../out.py", "/etc/out", "study/../../out.py", "a\\..\\out", "C:out", "folder/"])
def test_a_path_that_leaves_the_folder_is_refused(bundle, name):
    add(zipfile.ZipInfo(name))
    out = bundle.ablate("verify", "s.zip", "--to", "there", code=1)
    assert "leads out of the folder" in out or "not a plain file" in out
    assert list(Path("there").iterdir()) == []


def test_a_link_is_refused(bundle):
    add(zipfile.ZipInfo("study/link"), b"/etc/passwd", external_attr=(stat.S_IFLNK | 0o777) << 16, create_system=3)
    assert "'study/link': a link or a special file" in bundle.ablate("verify", "s.zip", code=1)


def test_a_name_that_is_there_twice_is_refused(bundle):
    add(zipfile.ZipInfo("study/S.py"))
    assert "'study/S.py': there twice, or as a name that differs in capitals only" in bundle.ablate(
        "verify", "s.zip", code=1
    )


@pytest.mark.parametrize(
    ("limit", "line"), [("MAX_FILE_BYTES", "bytes: at most"), ("MAX_BYTES", "bytes unpacked: at most")]
)
def test_a_zip_bomb_is_refused_before_it_is_unpacked(bundle, monkeypatch, limit, line):
    monkeypatch.setattr(archives, limit, 1 << 20)
    with zipfile.ZipFile("s.zip", "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb", bytes(5 << 20))
    monkeypatch.setattr(archives, "unpack_member", None)
    out = bundle.ablate("verify", "s.zip", code=1)
    assert line in out


def test_too_many_files_are_refused(bundle, monkeypatch):
    monkeypatch.setattr(archives, "MAX_FILES", 10)
    assert "files: at most 10 are unpacked" in bundle.ablate("verify", "s.zip", code=1)


def test_a_changed_report_is_found_although_the_manifest_fits(bundle):
    files = content()
    name = "results/s/report/report.md"
    files[name] += b"It helps.\n"
    write(relisted(files))
    out = bundle.ablate("verify", "s.zip", code=1)
    assert "report/report.md: differs from the rebuilt one" in out
    assert "identical" not in out


def test_a_changed_record_is_found_although_the_manifest_fits(bundle):
    import pyarrow as pa

    files = content()
    store = bundle.store("fake")
    for name in ("study.json", "records.parquet"):
        store.write_bytes(files[f"results/s/{name}"], name)
    table = store.load()
    better = pa.array([value + 0.1 for value in table["test_top1"].to_pylist()], pa.float64())
    store.write_table(table.set_column(table.column_names.index("test_top1"), "test_top1", better))
    files["results/s/records.parquet"] = store.read_bytes("records.parquet")
    write(relisted(files))
    assert "report/report.json: differs from the rebuilt one" in bundle.ablate("verify", "s.zip", code=1)


def test_records_that_give_no_report_are_one_line(bundle):
    write(relisted({**content(), "results/s/records.parquet": b"none"}))
    out = bundle.ablate("verify", "s.zip", code=1)
    assert "the report cannot be rebuilt: " in out


def test_other_versions_are_said_and_the_numbers_compared(bundle, monkeypatch):
    files = content()
    manifest = json.loads(files["manifest.json"])
    manifest["report_made_with"]["matplotlib"] = "1.0"
    page = files["results/s/report/index.html"] + b"<!-- drawn by another version -->"
    files |= {"manifest.json": json.dumps(manifest).encode(), "results/s/report/index.html": page}
    write(relisted(files))
    out = bundle.ablate("verify", "s.zip")
    assert "note: made with matplotlib 1.0, here " in out
    assert "report: same numbers within 1e-09, other bytes, as other versions made it" in out
    name = "results/s/report/report.json"
    document = json.loads(files[name])
    document["arms"][0]["mean"] += 1e-6
    files[name] = json.dumps(document).encode()
    write(relisted(files))
    assert "report.json, arms[0].mean: " in bundle.ablate("verify", "s.zip", code=1)


def test_with_other_versions_the_same_bytes_are_still_the_same(bundle, monkeypatch):
    makers = environment.report_makers()
    monkeypatch.setattr(verification, "report_makers", lambda: {**makers, "scipy": "99"})
    out = bundle.ablate("verify", "s.zip")
    assert "here 99" in out
    assert "byte for byte" in out


def of_a_newer_zip(data):
    """The archive with another "version needed to extract" in its central directory."""
    entry = data.index(b"PK\x01\x02")
    return data[: entry + 6] + b"\xbc" + data[entry + 7 :]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"no zip", "FILE: must be a bundle, a zip file"),
        (pack({"a": b""}), "must have a manifest.json"),
        (of_a_newer_zip(pack({"a": b""})), "FILE: must be a bundle, a zip file (zip file version"),
        (pack({"manifest.json": b"{"}), "manifest.json is damaged"),
        (pack({"manifest.json": b"[]"}), "manifest.json is damaged"),
        (pack({"manifest.json": b'{"schema_version": 99}'}), "its format is 99, known is 1"),
        (pack({"manifest.json": b"[" * 100_000}), "manifest.json is damaged"),
    ],
)
def test_a_file_that_is_no_bundle_is_one_line(folder, data, words):
    Path("x.zip").write_bytes(data)
    out = folder.ablate("verify", "x.zip", code=2)
    assert words in out
    assert len(out.splitlines()) == 1
    assert "FILE: no such file, got 'y.zip'" in folder.ablate("verify", "y.zip", code=2)


@pytest.mark.parametrize(
    "changed",
    [
        {"study": "../x"},
        {"study_file": "../s.py"},
        {"study_file": "study/absent.py"},
        {"settings": {"set": [3], "seeds": None, "epochs": None, "dataset": None}},
        {"settings": []},
    ],
)
def test_a_manifest_is_checked(bundle, changed):
    files = content()
    files["manifest.json"] = json.dumps({**json.loads(files["manifest.json"]), **changed}).encode()
    write(files)
    out = bundle.ablate("verify", "s.zip", code=2)
    assert len(out.splitlines()) == 1


def trial(bundle):
    return bundle.ids("not_results")[0]


def test_a_rerun_needs_trust_or_an_own_copy(bundle):
    out = bundle.ablate("verify", "s.zip", "--rerun", trial(bundle), code=2)
    assert "--rerun: would run study/s.py of the bundle; read it, then pass --trust; or give --study" in out
    assert "--trust: requires --rerun" in bundle.ablate("verify", "s.zip", "--trust", code=2)
    assert "--study: requires --rerun" in bundle.ablate("verify", "s.zip", "--study", "s.py", code=2)


def test_a_trusted_rerun_uses_the_code_of_the_bundle(bundle):
    out = bundle.ablate("verify", "s.zip", "--rerun", trial(bundle), "--trust")
    assert "running code of the bundle: study/s.py, plugins/" in out
    assert f"of {trial(bundle)}" in out
    assert "\nidentical: " in out


def test_a_rerun_with_an_own_copy_of_study_and_plugins(bundle):
    (bundle.path / "not_s.py").rename("s.py")
    (bundle.path / "not_amounts.py").rename("amounts.py")
    (bundle.path / "not_elsewhere").rename("elsewhere")
    out = bundle.ablate("verify", "s.zip", "--rerun", trial(bundle), "--study", "s.py")
    assert "running code of the bundle" not in out
    assert "\nidentical: " in out


def test_a_trial_that_is_not_in_the_bundle_is_one_line(bundle):
    out = bundle.ablate("verify", "s.zip", "--rerun", "0" * 16, "--trust", code=2)
    assert "--rerun: must be a trial_id with a finished record in s.zip, got '0000000000000000'" in out


def test_settings_of_a_bundle_name_no_code_without_trust(bundle):
    files = content()
    manifest = json.loads(files["manifest.json"])
    manifest["built_in"], manifest["settings"]["set"] = True, ["encoder=antigravity:fly"]
    files["manifest.json"] = json.dumps(manifest).encode()
    write(files)
    out = bundle.ablate("verify", "s.zip", "--rerun", trial(bundle), code=2)
    assert "--rerun: the settings of the bundle may name code or files; pass --trust" in out
    assert "antigravity" not in sys.modules


DIGITS = """
from ablations import Study

STUDY = Study(
    question="Does the silhouette term change anything in two epochs?",
    factors={"lambda_sil": (0.0, 0.2)},
    fixed={"dataset": "digits", "epochs": 5, "width": 4},
    baseline={"lambda_sil": 0.0},
    seeds=(3,),
)
"""


def test_a_real_training_is_rerun_from_a_bundle_with_its_settings(folder):
    """Trained on digits with `--set epochs=1`, which the bundle keeps, since its trial ids depend on it."""
    from ablations import load_study
    from ablations.design.plan import adopt_plan
    from tests.helpers.engine import Phase

    Path("digits.py").write_text(DIGITS)
    study = load_study("digits.py").replaced(fixed={"dataset": "digits", "epochs": 1, "width": 4})
    phase = Phase("confirm", "own", study.replaced(name="s"))
    adopt_plan(study, phase.store, {"command": "ablate run digits.py --set epochs=1"})
    phase.train()
    Path("own/s").rename("own/digits")
    folder.ablate("bundle", "digits.py", "--results", "own", "--set", "epochs=1")
    first = next(iter(phase.study.trials())).trial_id
    out = folder.ablate("verify", "digits.zip", "--rerun", first, "--trust")
    assert f" of {first}\n" in out
    assert "\nidentical: " in out
