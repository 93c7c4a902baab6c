"""An emulated AWS region: moto answers the EC2, IAM and S3 calls, and each running instance is a virtual host.

Such a host has the instance's private and public address, the key pair's public key and the image's user. As on AWS it
reads its credentials and the spot notice from the instance metadata service at 169.254.169.254. A terminated instance
is first cut off from the network, then killed.
"""

from __future__ import annotations

import contextlib
import json
import logging
import subprocess
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import boto3
from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models.instances import InstanceBackend
from moto.server import ThreadedMotoServer

from tests.cluster_lab.virtual_hosts import OPERATOR, Host, Image, VirtualHosts
from tests.helpers.waiting import wait_for

NAME = "us-west-2"
ENDPOINT = f"http://{OPERATOR}:5000"
BUCKET = "lab-bucket"
USER = "ubuntu"
PROFILES = ("soft-silhouette-head", "soft-silhouette-worker")
PERSON = {
    "AWS_ENDPOINT_URL": ENDPOINT,
    "AWS_ACCESS_KEY_ID": "person",
    "AWS_SECRET_ACCESS_KEY": "person",
    "AWS_DEFAULT_REGION": NAME,
}
"""Environment of a person's shell. An instance has the endpoint only; its keys come from the metadata service."""
METADATA = "169.254.169.254"
WIRE = "172.31.255.254/16"
"""The operator's address among the instances. All default subnets are one network."""


class Region:
    """The region, from entering to leaving the context.

    Args:
        hosts: Where instances are started as hosts.
    """

    def __init__(self, hosts: VirtualHosts) -> None:
        self.hosts = hosts
        self.notices: dict[str, str] = {}  # spot notices, by private address
        self._hosts: dict[str, Host] = {}  # by instance id
        self._ready, self._stop = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="region", daemon=True)

    def __enter__(self) -> Region:
        """Start the servers, and create the bucket, the security group and the profiles."""
        self._thread.start()
        assert self._ready.wait(60), "the region did not start"
        with self.network():
            self.ec2, self.s3 = _client("ec2"), _client("s3")
            self.s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": NAME})
            self.group = self.ec2.create_security_group(GroupName="lab", Description="lab")["GroupId"]
            for profile in PROFILES:
                _client("iam").create_instance_profile(InstanceProfileName=profile)
        return self

    def __exit__(self, *_: object) -> None:
        """Stop. The instances end with the thread that started them."""
        self._stop.set()
        self._thread.join(60)

    @contextlib.contextmanager
    def network(self) -> Iterator[None]:
        """Put the calling thread on the network from which the region can be called."""
        with self.hosts.operator.network():
            yield

    def workers(self) -> dict[str, dict[str, Any]]:
        """Running instances except the head, by id."""
        return {i: found for i, found in self._instances().items() if _tags(found).get("ray-node-type") == "worker"}

    def running(self) -> dict[str, dict[str, Any]]:
        """All running instances, by id."""
        return self._instances()

    def host(self, instance: str) -> Host:
        """The host of an instance."""
        return self._hosts[instance]

    def give_notice(self, instance: str, seconds: float) -> None:
        """Give a spot instance its notice, as EC2 does two minutes before it terminates it."""
        at = (datetime.now(UTC) + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")
        self.notices[self._hosts[instance].address] = json.dumps({"action": "terminate", "time": at})

    def terminate(self, instance: str) -> None:
        """Terminate an instance."""
        with self.network():
            self.ec2.terminate_instances(InstanceIds=[instance])
        wait_for(lambda: instance not in self._hosts, 30)

    @contextlib.contextmanager
    def without_spot(self) -> Iterator[None]:
        """Launches of spot instances fail with EC2's own error."""
        usual = InstanceBackend.run_instances

        def fail(backend: InstanceBackend, *arguments: Any, **options: Any) -> Any:
            if options.get("instance_market_options"):
                raise EC2ClientError("InsufficientInstanceCapacity", "We currently do not have sufficient capacity.")
            return usual(backend, *arguments, **options)

        InstanceBackend.run_instances = fail
        try:
            yield
        finally:
            InstanceBackend.run_instances = usual

    def objects(self, prefix: str) -> dict[str, datetime]:
        """When each object below a prefix was written, by key, without the objects that represent folders."""
        with self.network():
            pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix)
            found = [item for page in pages for item in page.get("Contents", [])]
        return {item["Key"]: item["LastModified"] for item in found if not item["Key"].endswith("/")}

    def checkpoints(self, prefix: str) -> dict[str, set[tuple[int, datetime]]]:
        """Epoch and time of writing of each checkpoint below the prefix of a study, by trial."""
        found: dict[str, set[tuple[int, datetime]]] = {}
        for key, written in self.objects(f"{prefix}/checkpoints/").items():
            trial, name = key.split("/")[-2:]
            found.setdefault(trial, set()).add((int(Path(name).stem), written))
        return found

    def download(self, prefix: str, folder: Path) -> Path:
        """Copy the objects below a prefix into a folder; returns its path."""
        for key in self.objects(prefix):
            target = folder / key
            target.parent.mkdir(parents=True, exist_ok=True)
            with self.network():
                target.write_bytes(self.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read())
        return folder / prefix

    def _instances(self) -> dict[str, dict[str, Any]]:
        states = [{"Name": "instance-state-name", "Values": ["pending", "running"]}]
        with self.network():
            pages = self.ec2.describe_instances(Filters=states)["Reservations"]
        return {found["InstanceId"]: found for page in pages for found in page["Instances"]}

    def _run(self) -> None:
        """The region's thread: runs the servers, and a host for each instance."""
        wire = f"ip addr add {WIRE} dev wire; ip addr add {METADATA}/32 dev wire"
        subprocess.run(["nsenter", "-t", str(self.hosts.operator.init), "-n", "sh", "-ec", wire], check=True)
        with self.network():
            api = ThreadedMotoServer(ip_address=OPERATOR, port=5000, verbose=False)
            api.start()
            logging.getLogger("werkzeug").setLevel(logging.ERROR)  # or it prints every call
            metadata = _metadata_server(self.notices)
            threading.Thread(target=metadata.serve_forever, daemon=True).start()
            self.ec2 = _client("ec2")
            self._ready.set()
            while not self._stop.wait(0.5):
                self._update_hosts()
            metadata.shutdown()
            api.stop()

    def _update_hosts(self) -> None:
        """Start hosts of new instances, end those of terminated ones."""
        wanted = self._instances()
        for instance in wanted.keys() - self._hosts.keys():
            self._hosts[instance] = self._boot(instance, wanted[instance])
        for instance in self._hosts.keys() - wanted.keys():
            host = self._hosts.pop(instance)
            self.hosts.cut(host)
            host.kill()

    def _boot(self, instance: str, found: dict[str, Any]) -> Host:
        pairs = self.ec2.describe_key_pairs(KeyNames=[found["KeyName"]], IncludePublicKey=True)["KeyPairs"]
        image = Image(pairs[0]["PublicKey"] + "\n", USER, f"export AWS_ENDPOINT_URL={ENDPOINT}\n")
        return self.hosts.boot(instance, found["PrivateIpAddress"] + "/16", found.get("PublicIpAddress"), image)


def _client(service: str) -> Any:
    keys = {"aws_access_key_id": "region", "aws_secret_access_key": "region"}
    return boto3.client(service, region_name=NAME, endpoint_url=ENDPOINT, **keys)


def _tags(instance: dict[str, Any]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in instance.get("Tags", [])}


def _metadata_server(notices: dict[str, str]) -> ThreadingHTTPServer:
    """The instance metadata service, version 2, which requires a session token."""
    later = (datetime.now(UTC) + timedelta(hours=6)).strftime("%Y-%m-%dT%H:%M:%SZ")
    keys = {"Code": "Success", "Type": "AWS-HMAC", "AccessKeyId": "instance", "SecretAccessKey": "instance"}
    answers = {
        "iam/security-credentials": "profile",
        "iam/security-credentials/profile": json.dumps({**keys, "Token": "instance", "Expiration": later}),
        "placement/region": NAME,
        "placement/availability-zone": f"{NAME}a",
    }

    class Handler(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self._answer(200, "session-token")

        def do_GET(self) -> None:
            if self.headers.get("X-aws-ec2-metadata-token") != "session-token":
                return self._answer(401, "")
            what = self.path.removeprefix("/latest/meta-data/").rstrip("/")
            text = notices.get(self.client_address[0]) if what == "spot/instance-action" else answers.get(what)
            return self._answer(404 if text is None else 200, text or "")

        def _answer(self, code: int, text: str) -> None:
            self.send_response(code)
            self.send_header("Content-Length", str(len(text)))
            self.send_header("X-aws-ec2-metadata-token-ttl-seconds", "21600")
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_: object) -> None:
            """No log."""

    return ThreadingHTTPServer((METADATA, 80), Handler)
