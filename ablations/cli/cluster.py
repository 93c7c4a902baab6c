"""The parts of `ablate cluster`: the check of a file, the watcher of a spot machine, what a Slurm job runs."""

from __future__ import annotations

from typing import Any

from ablations.cli.slurm import command_option


def cluster_commands(commands: Any) -> None:
    """Add `ablate cluster` with its parts."""
    cluster = commands.add_parser("cluster", help="check a cluster file; watch for preemption; parts of a Slurm job")
    parts = cluster.add_subparsers(required=True, metavar="PART")
    summary = "drain this spot machine's node when the cloud is about to terminate it"
    watch = parts.add_parser("watch", help=summary, description=summary)
    watch.set_defaults(command="commands.cluster_watch")
    summary = "list missing values and faults of a cluster file, offline"
    check = parts.add_parser("check", help=summary, description=summary)
    check.add_argument(
        "files", nargs="*", default=["cluster.yaml"], metavar="FILE", help="cluster files (cluster.yaml)"
    )
    check.add_argument(
        "--own",
        action="store_true",
        help="the file may differ from the shipped one; placeholders, Ray's schema, EC2's parameters and the rules on "
        "security and cost are still checked",
    )
    check.set_defaults(command="commands.cluster_check")
    summary = "in the batch script of a Slurm job: Ray on its nodes, the study, and their end in order"
    job = parts.add_parser("job", help=summary, description=summary)
    job.set_defaults(command="slurm.job")
    command_option(job)
    summary = "on each other node of a Slurm job: a Ray that joins the head; `cluster job` starts it"
    parts.add_parser("node", help=summary, description=summary).set_defaults(command="slurm.node")
