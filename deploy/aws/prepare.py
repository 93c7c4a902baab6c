"""Create, once per account, what cluster.yaml needs on AWS, and print the values for its top.

    python deploy/aws/prepare.py BUCKET

It creates a private bucket for results, a security group (all traffic from itself, ssh from your address) and two
instance profiles with the policies beside this file. The head may start and end the machines of this cluster, workers
may not; both may use the bucket. A second run writes the policies again and changes the address that ssh is open to.
With another bucket, both may then use that one too. Nothing of this costs anything until it is used.
"""

from __future__ import annotations

import argparse
import contextlib
import ipaddress
import json
import re
import sys
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import boto3
from botocore.exceptions import BotoCoreError, ClientError

HERE = Path(__file__).parent
NAME = "soft-silhouette"
IMAGE = "Deep Learning Base*Single CUDA*Ubuntu 24.04*"
WIDEST = 16
"""Shortest prefix of a network that ssh may be opened to: about the range of one provider."""


def main(arguments: list[str] | None = None) -> int:
    """Create everything; exit code 2 with one line if AWS refuses."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bucket", metavar="BUCKET", help="name of the bucket; no other bucket on AWS may have it")
    parser.add_argument("--region", metavar="R", help="AWS region (that of your AWS configuration)")
    parser.add_argument("--ssh-from", metavar="CIDR", help="addresses that may use ssh (the one you have now)")
    given = parser.parse_args(arguments)
    session = boto3.Session(region_name=given.region)
    if not session.region_name:
        print("prepare: --region: must be given where the AWS configuration has none, got nothing", file=sys.stderr)
        return 2
    if not re.fullmatch(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", given.bucket):
        rule = "must be 3 to 63 lower-case letters, digits, dots and hyphens"
        print(f"prepare: BUCKET: {rule}, got {given.bucket!r}", file=sys.stderr)
        return 2
    try:
        ssh_from = network(given.ssh_from or own_address())
    except (ValueError, OSError) as error:
        print(f"prepare: --ssh-from: {error}", file=sys.stderr)
        return 2
    try:
        make_bucket(session, given.bucket)
        group = make_group(session, ssh_from)
        make_profile(session, f"{NAME}-head", given.bucket, "head.json")
        make_profile(session, f"{NAME}-worker", given.bucket)
        allow_spot(session)
        image = newest_image(session)
    except (BotoCoreError, ClientError, OSError) as error:
        print(f"prepare: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    print(f'region: &region "{session.region_name}"')
    print(f'image: &image "{image or "<AMI id>"}"')
    print(f'security_group: &security_group "{group}"')
    return 0


def make_bucket(session: boto3.Session, name: str) -> None:
    """Create a bucket that nobody else can read; AWS encrypts every bucket."""
    s3 = session.client("s3")
    if name not in [one["Name"] for one in s3.list_buckets()["Buckets"]]:
        elsewhere = {"CreateBucketConfiguration": {"LocationConstraint": session.region_name}}
        s3.create_bucket(Bucket=name, **({} if session.region_name == "us-east-1" else elsewhere))
    blocks = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
    s3.put_public_access_block(Bucket=name, PublicAccessBlockConfiguration=dict.fromkeys(blocks, True))


def make_group(session: boto3.Session, ssh_from: str) -> str:
    """Create a security group in the default network; return its id."""
    ec2 = session.client("ec2")
    vpcs = ec2.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"]
    if not vpcs:
        raise OSError("no default VPC in this region; make a security group in yours, as docs/cluster.md shows")
    named = [{"Name": "group-name", "Values": [NAME]}, {"Name": "vpc-id", "Values": [vpcs[0]["VpcId"]]}]
    groups = ec2.describe_security_groups(Filters=named)["SecurityGroups"]
    if groups:
        group, there = groups[0]["GroupId"], groups[0]["IpPermissions"]
    else:
        made = ec2.create_security_group(GroupName=NAME, Description="Ray cluster", VpcId=vpcs[0]["VpcId"])
        group, there = made["GroupId"], []
    open_group(ec2, group, there, ssh_from)
    return str(group)


def open_group(ec2: Any, group: str, there: list[dict[str, Any]], ssh_from: str) -> None:
    """Allow all from the group itself and ssh from one network; new rules first, so that a refusal closes nothing."""
    ssh = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22}
    old = [cidr for rule in there if ssh.items() <= rule.items() for cidr in rule["IpRanges"]]
    new = [] if ssh_from in [one["CidrIp"] for one in old] else [{**ssh, "IpRanges": [{"CidrIp": ssh_from}]}]
    if not any(pair["GroupId"] == group for rule in there for pair in rule["UserIdGroupPairs"]):
        new.append({"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": group}]})
    if new:
        ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=new)
    gone = [{"CidrIp": one["CidrIp"]} for one in old if one["CidrIp"] != ssh_from]
    if gone:
        ec2.revoke_security_group_ingress(GroupId=group, IpPermissions=[{**ssh, "IpRanges": gone}])


def make_profile(session: boto3.Session, name: str, bucket: str, *more: str) -> None:
    """Create a role that may use the bucket and what `more` allows, and the instance profile for machines."""
    iam = session.client("iam")
    known = iam.exceptions.EntityAlreadyExistsException
    with contextlib.suppress(known):
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=(HERE / "trust.json").read_text())
    for policy, file in ((f"bucket-{bucket}", "bucket.json"), *((Path(file).stem, file) for file in more)):
        text = json.dumps(json.loads((HERE / file).read_text().replace("BUCKET", bucket)))
        iam.put_role_policy(RoleName=name, PolicyName=policy, PolicyDocument=text)
    with contextlib.suppress(known):
        iam.create_instance_profile(InstanceProfileName=name)
    roles = iam.get_instance_profile(InstanceProfileName=name)["InstanceProfile"]["Roles"]
    if not roles:
        iam.add_role_to_instance_profile(InstanceProfileName=name, RoleName=name)


def allow_spot(session: boto3.Session) -> None:
    """Create the role that an account needs before its first spot machine."""
    iam = session.client("iam")
    has_it = (iam.exceptions.InvalidInputException, iam.exceptions.EntityAlreadyExistsException)
    with contextlib.suppress(*has_it):
        iam.create_service_linked_role(AWSServiceName="spot.amazonaws.com")


def newest_image(session: boto3.Session) -> str | None:
    """Amazon's image with the NVIDIA driver and Python 3.12; None where there is none."""
    filters = [{"Name": "name", "Values": [IMAGE]}, {"Name": "architecture", "Values": ["x86_64"]}]
    images: list[dict[str, Any]] = session.client("ec2").describe_images(Owners=["amazon"], Filters=filters)["Images"]
    return max(images, key=lambda image: image["CreationDate"])["ImageId"] if images else None


def network(text: str) -> str:
    """An address or a network as EC2 writes it; raises ValueError for what it does not take, and for too wide a one."""
    rule = f"must be an IPv4 address or network of prefix /{WIDEST} or longer, such as 192.0.2.1/32"
    try:
        found = ipaddress.IPv4Network(text, strict=False)
    except ValueError:
        raise ValueError(f"{rule}, got {text!r}") from None
    if found.prefixlen < WIDEST:
        raise ValueError(f"{rule}, got {text!r}")
    return str(found)


def own_address() -> str:
    """The address that this machine has on the internet, as Amazon sees it."""
    with urlopen("https://checkip.amazonaws.com", timeout=10) as answer:
        return f"{answer.read().decode().strip()}/32"


if __name__ == "__main__":
    sys.exit(main())
