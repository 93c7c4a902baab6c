"""`ablate cluster check`: the shipped files pass, and every way to break them gives its one line, without network."""

import os
import shutil
import subprocess
import sys
from difflib import SequenceMatcher
from pathlib import Path

import pytest
import yaml

from ablations.cli.parser import main
from ablations.templates import FILES
from tests.helpers.broken_clusters import AWS, BROKEN, GCP, KUBERAY, LOCAL

ROOT = Path(__file__).parents[3]
FILLED = {
    AWS: {
        "<AWS region>": "eu-central-1",
        "<AMI id>": "ami-0123456789abcdef0",
        "<security group id>": "sg-0123456789abcdef0",
    },
    GCP: {
        "<project id>": "my-project",
        "<region>": "europe-west4",
        "<zone>": "europe-west4-a",
        "<image>": "projects/my-project/global/images/family/soft-silhouette",
        "<subnetwork>": "projects/my-project/regions/europe-west4/subnetworks/soft-silhouette",
        "<service account>": "worker@my-project.iam.gserviceaccount.com",
    },
    LOCAL: {
        "<address of the head>": "10.0.0.10",
        '"<address of a worker>"': "10.0.0.11, 10.0.0.12",
        "<user on all machines>": "lab",
        "<private key for this cluster alone>": "~/.ssh/soft-silhouette",
    },
    KUBERAY: {
        "<registry>": "registry.example.org",
        "<digest>": "0123456789abcdef" * 4,
        "<bucket>": "my-bucket",
    },
}


def filled(file):
    """A shipped file with its values filled in."""
    text = (ROOT / file).read_text(encoding="utf-8")
    for placeholder, value in FILLED[file].items():
        assert placeholder in text, placeholder
        text = text.replace(placeholder, value)
    return text


def run(capsys, *files):
    code = main(["cluster", "check", *map(str, files)])
    return code, capsys.readouterr().out.splitlines()


@pytest.mark.parametrize("file", FILLED)
def test_a_shipped_file_is_the_one_of_the_package(file):
    """The package owns the files: `ablate init` writes them, and the check compares with them."""
    assert (ROOT / file).read_bytes() == (FILES / file).read_bytes()


@pytest.mark.parametrize("file", FILLED)
def test_a_shipped_file_that_is_filled_in_is_clean(file, tmp_path, capsys):
    path = tmp_path / "filled.yaml"
    path.write_text(filled(file))
    assert run(capsys, path) == (0, [f"{path}: nothing to fill in, nothing wrong"])


CHANGED = {
    "on-demand type switched off": (AWS, "&gpu_on_demand 2", "&gpu_on_demand 0"),
    "other machines": (AWS, "&gpu_machine g5.xlarge", "&gpu_machine g6.xlarge  # newer"),
    "no comments": (AWS, "    # For when there is no spot capacity", "    # When there is no spot capacity"),
    "more blank lines": (AWS, "provider:\n", "\n\nprovider:\n\n"),
    "workers as a block": (LOCAL, "[10.0.0.11, 10.0.0.12]", "\n    - 10.0.0.11\n    - 10.0.0.12"),
    "more pods": (KUBERAY, "maxReplicas: 4", "maxReplicas: 40"),
    "another study": (KUBERAY, "ablate run demo", "ablate run joint"),
}


@pytest.mark.parametrize("name", CHANGED)
def test_values_and_comments_of_the_user_may_differ(name, tmp_path, capsys):
    file, old, new = CHANGED[name]
    text = filled(file)
    assert old in text or name == "no comments"
    path = tmp_path / "changed.yaml"
    path.write_text(text.replace(old, new, 1))
    assert run(capsys, path) == (0, [f"{path}: nothing to fill in, nothing wrong"])


def test_the_policy_beside_the_file_is_the_one_that_counts(tmp_path, capsys):
    path = tmp_path / "other.yaml"
    path.write_text(filled(AWS).replace("cluster_name: soft-silhouette", "cluster_name: mine"))
    assert "deploy/aws/head.json must name it" in run(capsys, path)[1][0]
    policy = tmp_path / "deploy/aws/head.json"
    policy.parent.mkdir(parents=True)
    shipped = (ROOT / "deploy/aws/head.json").read_text()
    policy.write_text(shipped.replace('ray-cluster-name": "soft-silhouette"', 'ray-cluster-name": "mine"'))
    assert run(capsys, path) == (0, [f"{path}: nothing to fill in, nothing wrong"])


def test_a_policy_that_is_no_json_is_one_line(tmp_path, capsys):
    (tmp_path / "deploy/aws").mkdir(parents=True)
    (tmp_path / "deploy/aws/head.json").write_text("{")
    (tmp_path / "cluster.yaml").write_text(filled(AWS))
    assert main(["cluster", "check", str(tmp_path / "cluster.yaml")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"ablate: {tmp_path / 'deploy/aws/head.json'}: must be JSON, got ")


def test_every_place_that_differs_is_named_at_its_line(tmp_path, capsys):
    path = tmp_path / "changed.yaml"
    text = filled(AWS).replace("VolumeSize: 150", "VolumeSize: 300").replace("upscaling_speed: 1.0\n", "")
    path.write_text(text.replace("worker_setup_commands: []", "worker_setup_commands: []\ninitialization_commands: []"))
    shipped = (ROOT / AWS).read_text().splitlines()
    code, lines = run(capsys, path)
    number = [next(i for i, line in enumerate(shipped, 1) if part in line) for part in ("upscaling", "VolumeSize")]
    assert code == 2
    assert [line.split(", got")[0] for line in lines] == [
        f"{path}:{number[0]}: idle_timeout_minutes: differs from line {number[0]} of the shipped template",
        f"{path}:{number[1] - 1}: available_node_types.head.node_config.BlockDeviceMappings[0].Ebs: "
        f"differs from line {number[1]} of the shipped template",
        f"{path}:{text.splitlines().index('worker_setup_commands: []') + 2}: initialization_commands: "
        "is not in the shipped template",
    ]
    assert lines[2].endswith("got initialization_commands: []; take it out, or add --own if you mean it")


@pytest.mark.parametrize("name", BROKEN)
def test_a_file_of_ones_own_may_differ_but_breaks_the_same_rules(name, tmp_path, capsys):
    file, old, new, expected = BROKEN[name]
    path = tmp_path / "own.yaml"
    path.write_text(filled(file).replace(old, new, 1))
    code, lines = run(capsys, "--own", path)
    if "differs from line" in expected or "is not in the shipped" in expected:
        assert (code, lines) == (0, [f"{path}: nothing to fill in, nothing wrong (not compared with the shipped file)"])
    else:
        assert code == 2
        assert expected in lines[0]


WRONG_KINDS = {
    "type a list": (AWS, "type: aws", "type: [aws]"),
    "head a mapping": (AWS, "head_node_type: head", "head_node_type: {}"),
    "types a number": (GCP, "available_node_types:", "available_node_types: 3\nmetadata_of_types:"),
    "no region": (GCP, "  region: *region\n", ""),
    "bound as text": (KUBERAY, "maxReplicas: 4", "maxReplicas: four"),
    "groups a number": (KUBERAY, "workerGroupSpecs:", "workerGroupSpecs: 3\n    groups:"),
    "commands a text": (LOCAL, "setup_commands:\n", "setup_commands: text\nmetadata_of_commands:\n"),
}


@pytest.mark.parametrize("name", WRONG_KINDS)
def test_a_value_of_a_wrong_kind_is_a_fault_and_no_traceback(name, tmp_path, capsys):
    file, old, new = WRONG_KINDS[name]
    assert old in filled(file)
    path = tmp_path / "wrong.yaml"
    path.write_text(filled(file).replace(old, new, 1))
    code, lines = run(capsys, "--own", path)
    assert code == 2
    assert all(line.startswith(f"{path}:") for line in lines)


def test_every_rule_has_a_broken_file(tmp_path, capsys):
    from ablations.cluster_file.rules import RULES

    paths = [tmp_path / f"{number}.yaml" for number in range(len(BROKEN))]
    for path, (file, old, new, _) in zip(paths, BROKEN.values(), strict=True):
        path.write_text(filled(file).replace(old, new, 1))
    printed = "\n".join(run(capsys, "--own", *paths)[1])
    assert [rule.must for rule in RULES if f": {rule.must} ({rule.why}), got " not in printed] == []


def test_every_check_of_every_rule_has_a_broken_file():
    from ablations.cluster_file.rules import RULES

    kinds = {AWS: "aws", GCP: "gcp", LOCAL: "local", KUBERAY: "RayJob"}
    values = []
    for file, old, new, expected in BROKEN.values():
        if "YAML: " not in expected:
            value = next(iter(yaml.safe_load_all(filled(file).replace(old, new, 1))))
            values.append((kinds[file], value))
    unbroken = [
        (rule.must, number)
        for rule in RULES
        for number, (of_kinds, check) in enumerate(rule.checks)
        if not any(list(check(value)) for kind, value in values if kind in of_kinds.split())
    ]
    assert unbroken == []


@pytest.mark.parametrize("file", FILLED)
def test_a_shipped_file_names_exactly_what_is_left_to_fill_in(file, capsys):
    code, lines = run(capsys, ROOT / file)
    source = (ROOT / file).read_text(encoding="utf-8").splitlines()
    expected = [number for number, line in enumerate(source, 1) if any(mark in line for mark in FILLED[file])]
    assert code == 2
    assert [int(line.split(":")[1]) for line in lines] == expected
    assert all("must be filled in, got " in line and "; put " in line for line in lines)


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_gives_its_line(name, tmp_path, capsys):
    file, old, new, expected = BROKEN[name]
    text = filled(file)
    assert old in text, old
    path = tmp_path / "broken.yaml"
    path.write_text(text.replace(old, new, 1))
    code, lines = run(capsys, path)
    assert code == 2
    assert len(lines) == 1, lines
    assert expected in lines[0]
    assert ", got " in lines[0]
    assert "; " in lines[0]
    assert lines[0].startswith(f"{path}:"), "the line's number"


ELSEWHERE = {
    "no YAML",
    "no provider",
    "groups no list",
    "own versions",
    "RayJob, unguarded worker",
    "RayJob, open to all pods",
}
"""Where the line to change is not the one that was changed here, such as the end of an open bracket."""


@pytest.mark.parametrize("name", sorted(set(BROKEN) - ELSEWHERE))
def test_the_line_is_the_one_to_change(name, tmp_path, capsys):
    """The line that was broken, or for what was taken out the key that it belongs below."""
    file, old, new, _ = BROKEN[name]
    good, broken = filled(file).splitlines(), filled(file).replace(old, new, 1).splitlines()
    path = tmp_path / "broken.yaml"
    path.write_text("\n".join(broken))
    number = int(run(capsys, path)[1][0].split(":")[1])
    changes = SequenceMatcher(None, good, broken, autojunk=False).get_opcodes()
    first = min(start for kind, _, _, start, _ in changes if kind != "equal") + 1
    last = max(end for kind, _, _, _, end in changes if kind != "equal")
    assert first <= number <= max(first, last) or _above(broken, number, first), broken[number - 1]


def _above(lines, number, changed):
    """Whether a line holds the key, or starts the command, that a changed line is part of."""
    line = lines[number - 1]
    inside = line.rstrip().split("  #")[0].split(" &")[0].endswith(":") and number < changed
    return inside or ("ray start" in line and abs(number - changed) < 8)


NOT_A_CLUSTER_FILE = {  # content, or None for no file: part of the line
    "not there": (None, "FILE: must be a YAML file, got no such file"),
    "empty": ("", "the file: must be a mapping, got NoneType"),
    "a list": ("- 1\n", "the file: must be a mapping, got list"),
    "a number": ("3\n", "the file: must be a mapping, got int"),
    "binary": (b"\xff\xfe\x00", "FILE: must be readable UTF-8 text"),
    "control characters": ("a: \x07", "YAML: must be valid YAML"),
    "two documents": ("provider: {type: aws}\n---\nprovider: {type: aws}\n", "must be one YAML document, got 2"),
    "endless": ("a: &a [*a, *a]\n", "YAML: must be valid YAML"),
    "a bomb": ("a: &a [x, x, x, x, x, x, x, x, x]\n"
               + "".join(f"{y}: &{y} [*{x}, *{x}, *{x}, *{x}, *{x}, *{x}, *{x}, *{x}]\n"
                         for x, y in zip("abcdefg", "bcdefgh", strict=True)), "YAML: must be valid YAML"),
    "a Deployment": ("apiVersion: apps/v1\nkind: Deployment\n", "kind: must be RayJob, got 'Deployment'"),
    "null provider": ("provider:\n", "provider: must be a mapping, got nothing"),
}  # fmt: skip


@pytest.mark.parametrize("name", NOT_A_CLUSTER_FILE)
def test_no_cluster_file(name, tmp_path, capsys):
    content, expected = NOT_A_CLUSTER_FILE[name]
    path = tmp_path / "file.yaml"
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    code, lines = run(capsys, path)
    assert code == 2
    assert len(lines) == 1
    assert expected in lines[0]


def test_a_folder_is_no_cluster_file(tmp_path, capsys):
    assert run(capsys, tmp_path) == (
        2,
        [f"{tmp_path}: FILE: must be a YAML file, got a folder; give the path of a cluster file"],
    )


def test_several_files_are_all_checked(capsys):
    code, lines = run(capsys, ROOT / LOCAL, "nowhere.yaml", ROOT / KUBERAY)
    assert code == 2
    assert [line.split(".yaml")[0].rsplit("/", 1)[-1] for line in lines] == ["local"] * 4 + ["nowhere"] + [
        "kuberay"
    ] * 2


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("unshare"), reason="needs root and unshare")
def test_it_needs_neither_network_nor_credentials_nor_a_home(tmp_path):
    for file in FILLED:
        (tmp_path / Path(file).name).write_text(filled(file))
    done = subprocess.run(
        [
            "unshare",
            "-n",
            sys.executable,
            "-m",
            "ablations",
            "cluster",
            "check",
            *(Path(f).name for f in FILLED),
        ],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path / "none"), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout.count("nothing wrong")) == (0, len(FILLED)), done.stdout + done.stderr


PACKAGES = ("jsonschema", "aiohttp_cors", "boto3", "botocore", "googleapiclient")
"""Modules of the extra `cluster`."""
INSTALL = "; pip install 'soft-silhouette-ablations[cluster]'"
NOT_CHECKED = "Ray's schema or EC2's parameters are not checked, and "


def run_without(modules, *arguments):
    """`ablate cluster check` in a process that cannot import some modules."""
    hide = "".join(f"sys.modules[{module!r}] = None; " for module in modules)
    code = f"import sys; {hide}from ablations.cli.parser import main; sys.exit(main())"
    done = subprocess.run(
        [sys.executable, "-c", code, "cluster", "check", *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    return done.returncode, done.stdout.splitlines()


@pytest.mark.parametrize(
    ("module", "file", "skipped"),
    [
        ("jsonschema", LOCAL, NOT_CHECKED),
        ("aiohttp_cors", AWS, ""),
        ("boto3", AWS, ""),
        ("botocore", AWS, NOT_CHECKED),
        ("googleapiclient", GCP, ""),
    ],
)
def test_a_missing_package_is_one_note(module, file, skipped, tmp_path):
    path = tmp_path / "filled.yaml"
    path.write_text(filled(file))
    code, lines = run_without([module], path)
    named = "boto3, botocore" if module == "botocore" else module
    note = f"note: {named} cannot be imported: {skipped}`ray up` cannot run{INSTALL}"
    assert (code, lines) == (0, [f"{path}: nothing to fill in, nothing wrong", note])


@pytest.mark.parametrize("file", FILLED)
def test_without_the_extra_a_shipped_file_names_what_is_left_to_fill_in(file, capsys):
    code, lines = run_without(PACKAGES, ROOT / file)
    notes = [line for line in lines if line.startswith("note: ")]
    assert (code, len(notes)) == (2, file != KUBERAY)
    assert [line for line in lines if line not in notes] == run(capsys, ROOT / file)[1]


def test_without_the_extra_only_what_aws_knows_is_not_checked(tmp_path):
    paths = {name: tmp_path / f"{number}.yaml" for number, name in enumerate(BROKEN)}
    for name, (file, old, new, _) in BROKEN.items():
        paths[name].write_text(filled(file).replace(old, new, 1))
    code, lines = run_without(PACKAGES, *paths.values())
    clean = {name for name, path in paths.items() if f"{path}: nothing to fill in, nothing wrong" in lines}
    assert (code, clean) == (2, {"unknown instance type"})
    assert lines[-1].startswith("note: jsonschema, aiohttp_cors, boto3, botocore, googleapiclient cannot be imported")


def test_without_the_extra_a_value_of_a_wrong_kind_is_a_fault_and_no_traceback(tmp_path):
    paths = {name: tmp_path / f"{number}.yaml" for number, name in enumerate(WRONG_KINDS)}
    for name, (file, old, new) in WRONG_KINDS.items():
        paths[name].write_text(filled(file).replace(old, new, 1))
    code, lines = run_without(PACKAGES, *paths.values())
    assert code == 2
    assert {line.split(":")[0] for line in lines if "nothing wrong" not in line} == {*map(str, paths.values()), "note"}


def test_the_documentation_shows_what_is_printed(monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    _, lines = run(capsys, AWS)
    assert "$ ablate cluster check cluster.yaml\n" + "\n".join(lines) in (ROOT / "docs/cluster.md").read_text()


@pytest.mark.parametrize("file", [AWS, GCP, LOCAL])
def test_ray_up_from_another_folder_stops_before_it_syncs_it(file, monkeypatch):
    """Ray hashes what it is about to sync, in order; a whole home folder must not get to a cloud by mistake."""
    from ray.autoscaler._private.util import hash_runtime_conf

    mounts = yaml.safe_load(filled(file))["file_mounts"]
    del mounts["~/.ray/auth_token"]
    monkeypatch.chdir(ROOT / "deploy")
    with pytest.raises(FileNotFoundError, match=r"constraints\.txt"):
        hash_runtime_conf(mounts, None, {"file": file})


def test_help_imports_nothing_heavy():
    use = "from ablations.cli.parser import _parser; _parser()"
    code = f"import sys; {use}; print({{'ray', 'yaml', 'boto3'}} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "set()"


def test_there_are_enough_of_them():
    assert len(BROKEN) >= 30
