"""prepare.py creates what cluster.yaml needs, on a server that imitates AWS; install.sh keeps what is installed."""

import json
import os
import subprocess
import sys
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer

ROOT = Path(__file__).parents[3]
REGION = "eu-central-1"


@pytest.fixture(scope="module")
def aws():
    """Environment of a person with an AWS account."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    yield {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": REGION,
    }
    server.stop()


def prepare(aws, *arguments, **more):
    return subprocess.run(
        [sys.executable, ROOT / "deploy/aws/prepare.py", *arguments],
        env={**os.environ, **aws, **more},
        capture_output=True,
        text=True,
        check=False,
    )


def client(aws, service):
    return boto3.client(
        service,
        endpoint_url=aws["AWS_ENDPOINT_URL"],
        region_name=REGION,
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
    )


def test_prepare_makes_what_the_file_names_once(aws):
    first = prepare(aws, "my-bucket", "--ssh-from", "192.0.2.1/32")
    assert first.returncode == 0, first.stderr
    again = prepare(aws, "my-bucket", "--ssh-from", "192.0.2.2/32")
    assert again.stdout == first.stdout, again.stderr
    region, image, group = [line.partition(' "')[2].rstrip('"') for line in first.stdout.splitlines()]
    assert (region, image[:4]) == (REGION, "ami-") or image == "<AMI id>"

    rules = client(aws, "ec2").describe_security_groups(GroupIds=[group])["SecurityGroups"][0]["IpPermissions"]
    ssh = [one for one in rules if one["IpProtocol"] == "tcp"]
    assert len(rules) == 2
    assert [one["CidrIp"] for one in ssh[0]["IpRanges"]] == ["192.0.2.2/32"]
    assert not any(one["CidrIp"] == "0.0.0.0/0" for rule in rules for one in rule["IpRanges"])

    iam = client(aws, "iam")
    for name, policies in {
        "soft-silhouette-head": ["bucket-my-bucket", "head"],
        "soft-silhouette-worker": ["bucket-my-bucket"],
    }.items():
        profile = iam.get_instance_profile(InstanceProfileName=name)["InstanceProfile"]
        assert [role["RoleName"] for role in profile["Roles"]] == [name]
        assert sorted(iam.list_role_policies(RoleName=name)["PolicyNames"]) == policies
        policy = iam.get_role_policy(RoleName=name, PolicyName="bucket-my-bucket")["PolicyDocument"]
        assert "arn:aws:s3:::my-bucket/*" in json.dumps(policy)
    access = client(aws, "s3").get_public_access_block(Bucket="my-bucket")["PublicAccessBlockConfiguration"]
    assert all(access.values())


def test_rules_of_others_stay_and_the_same_address_again_is_no_fault(aws):
    assert prepare(aws, "my-bucket", "--ssh-from", "192.0.2.3").returncode == 0
    ec2 = client(aws, "ec2")
    named = [{"Name": "group-name", "Values": ["soft-silhouette"]}]
    group = ec2.describe_security_groups(Filters=named)["SecurityGroups"][0]["GroupId"]
    mine = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "IpRanges": [{"CidrIp": "198.51.100.0/24"}]}
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[mine])
    done = prepare(aws, "my-bucket", "--ssh-from", "192.0.2.3/32")
    assert done.returncode == 0, done.stderr
    rules = ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"][0]["IpPermissions"]
    open_to = {rule.get("FromPort"): [one["CidrIp"] for one in rule["IpRanges"]] for rule in rules}
    assert open_to == {22: ["192.0.2.3/32"], 443: ["198.51.100.0/24"], None: []}


@pytest.mark.parametrize("given", ["1.2.3.4x", "0.0.0.0/0", "10.0.0.0/15", "300.1.1.1/32", "::/0", "1.2.3.4/33"])
def test_ssh_from_a_wrong_place_is_refused_before_anything_is_touched(aws, given):
    done = prepare(aws, "other-bucket", "--ssh-from", given, AWS_ENDPOINT_URL="http://127.0.0.1:1")
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "prepare: --ssh-from: must be an IPv4 address or network of prefix /16 or longer, such as 192.0.2.1/32, "
        f"got {given!r}"
    ]


def test_prepare_refused_is_one_line(aws):
    for arguments, more, expected in [
        (["Not_A_Bucket"], {}, "BUCKET: must be 3 to 63"),
        (["my-bucket"], {"AWS_DEFAULT_REGION": "", "AWS_CONFIG_FILE": "/none"}, "--region: must be given"),
        (["my-bucket"], {"AWS_ENDPOINT_URL": "http://127.0.0.1:1"}, "Could not connect"),
    ]:
        done = prepare(aws, *arguments, "--ssh-from", "192.0.2.1/32", **more)
        assert done.returncode == 2
        assert len(done.stderr.splitlines()) == 1, done.stderr
        assert expected in done.stderr


def test_an_environment_that_has_everything_is_left_alone(tmp_path):
    """As on a machine without network: pip is not even called."""
    environment = tmp_path / "environment/bin"
    environment.mkdir(parents=True)
    (environment / "python").write_text(f'#!/bin/sh\n[ "$1" = -m ] && exit 9\nexec {sys.executable} "$@"\n')
    (environment / "python").chmod(0o755)
    for _ in range(2):
        done = subprocess.run(
            ["bash", ROOT / "deploy/install.sh", environment.parent],
            env={**os.environ, "HOME": str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
    lines = (tmp_path / ".bashrc").read_text().splitlines()
    (line,) = lines
    assert line.endswith(" # soft-silhouette environment")
    for before, after in (
        ("", ROOT),
        ("/of/the/image", ROOT),
        ("/r/working_dir_files/job:/x", "/r/working_dir_files/job:/x"),
    ):
        shell = ["bash", "-c", f'{line}\necho "$PATH $PYTHONPATH"']
        said = subprocess.run(
            shell, env={"PATH": "/bin", "PYTHONPATH": before}, capture_output=True, text=True, check=True
        )
        assert said.stdout == f"{environment}:/bin {after}\n"


def test_half_an_environment_is_completed_by_one_machine_at_a_time(tmp_path):
    """As after a `venv` without Debian's package: bin/python without pip. Two machines have the same home."""
    environment, log = tmp_path / "environment", tmp_path / "log"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    python = tmp_path / "python"  # stands for PYTHON: makes an environment whose pip installs nothing, slowly
    python.write_text(f"""#!/bin/bash
echo begin >> {log}; sleep 0.3
printf '#!/bin/sh\\n[ "$1 $2" = "-m pip" ] && exit 0\\n[ -e {tmp_path}/done ]\\n' > "{environment}/bin/new"
chmod +x "{environment}/bin/new"; mv "{environment}/bin/new" "{environment}/bin/python"
touch {tmp_path}/done; echo end >> {log}
""")
    python.chmod(0o755)
    command = ["bash", ROOT / "deploy/install.sh", environment, python]
    both = [
        subprocess.Popen(command, env={**os.environ, "HOME": str(tmp_path)}, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    assert [(one.communicate()[1], one.returncode) for one in both] == [("", 0)] * 2
    assert log.read_text().split() == ["begin", "end"], "the second finds what the first has made"
    assert len((tmp_path / ".bashrc").read_text().splitlines()) == 1


def test_a_fresh_ubuntu_that_updates_itself_is_waited_for(tmp_path):
    """Python without venv, and lists that another apt holds at first; nothing asks for a password."""
    (tmp_path / "bin").mkdir()
    sudo = f"""printf '%s\\n' "$*" >> {tmp_path}/log
case "$*" in
  *update) [ -e {tmp_path}/again ] || {{ touch {tmp_path}/again; echo 'E: Could not get lock /x' >&2; exit 100; }} ;;
  *install*) touch {tmp_path}/venv ;;
esac"""
    python = f"""[ -e {tmp_path}/venv ] || exit 1
mkdir -p {tmp_path}/environment/bin && printf '#!/bin/sh\\n' > {tmp_path}/environment/bin/python
chmod +x {tmp_path}/environment/bin/python"""
    for name, text in {"sudo": sudo, "sleep": "true", "python-without-venv": python}.items():
        (tmp_path / "bin" / name).write_text(f"#!/bin/bash\n{text}\n")
        (tmp_path / "bin" / name).chmod(0o755)
    done = subprocess.run(
        ["bash", ROOT / "deploy/install.sh", tmp_path / "environment", "python-without-venv"],
        env={**os.environ, "HOME": str(tmp_path), "PATH": f"{tmp_path}/bin:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    calls = (tmp_path / "log").read_text().splitlines()
    assert [call.split()[-1] for call in calls] == ["update", "update", "python3-venv"]
    assert all(call.startswith("-n ") and "DPkg::Lock::Timeout=300" in call for call in calls)
