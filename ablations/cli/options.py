"""The options of the subcommands of `ablate`, by what they are about."""

from __future__ import annotations

import argparse

from ablations.cli.slurm import job_options


def init_options(parser: argparse.ArgumentParser) -> None:
    """What `ablate init` writes, and where."""
    parser.add_argument(
        "kind", nargs="?", metavar="KIND", help="study, aws, gcp, local, kuberay, slurm; none lists them"
    )
    parser.add_argument("--to", default=".", metavar="PATH", help="folder, or for a study a .py file (this folder)")


def name_option(parser: argparse.ArgumentParser) -> None:
    """The study that a command is about."""
    parser.add_argument("study", metavar="STUDY", help="a built-in study's name or a path to a .py file")


def trial_ids_option(parser: argparse.ArgumentParser) -> None:
    """The trials that `ablate forget` removes."""
    parser.add_argument(
        "trial_ids",
        nargs="+",
        metavar="TRIAL_ID",
        help="from the records, `report.json`, or for failed trials `ablate status`",
    )


def data_option(parser: argparse.ArgumentParser) -> None:
    """What `ablate data` fetches."""
    parser.add_argument("what", metavar="STUDY|DATASET", help="a study, whose data sets are meant, or a data set")


def report_options(parser: argparse.ArgumentParser) -> None:
    """A study, or a plain table with its columns."""
    parser.add_argument("study", nargs="?", metavar="STUDY", help="a study's name or a path to its .py file")
    table = parser.add_argument_group("reports on a plain table of per-seed results")
    table.add_argument("--table", metavar="FILE", help="CSV or Parquet file, one row per method and seed")
    for name in ("arm", "seed", "metric", "block"):
        table.add_argument(f"--{name}", metavar="COLUMN", help=f"column of the {name}")
    table.add_argument("--baseline", metavar="VALUE", help="the method that the others are compared with")
    table.add_argument("--sesoi", type=float, metavar="D", help="smallest difference that matters")
    table.add_argument("--alpha", type=float, default=0.05, metavar="A", help="level of the tests (0.05)")
    table.add_argument("--direction", choices=("max", "min"), default="max", help="whether more is better (max)")
    table.add_argument(
        "--error-rate",
        choices=("study", "block"),
        default="study",
        help="correct the comparisons of all blocks together, or those of each block by themselves (study)",
    )
    table.add_argument("--unpaired", action="store_true", help="the methods were run on different seeds")
    table.add_argument("--out", metavar="DIR", help="folder for the report")


def results_option(parser: argparse.ArgumentParser) -> None:
    """Where the results are."""
    parser.add_argument(
        "--results", default="results", metavar="DIR", help="folder or pyarrow.fs URI (default: results)"
    )


def mlflow_option(parser: argparse.ArgumentParser) -> None:
    """Where the MLflow view is."""
    parser.add_argument(
        "--mlflow", metavar="URI", help="MLflow tracking URI (default: MLFLOW_TRACKING_URI or DIR/mlflow.db)"
    )


def study_options(parser: argparse.ArgumentParser) -> None:
    """A study, where its results are, and what is changed in it."""
    name_option(parser)
    results_option(parser)
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="K=V",
        help="fix a setting, or give a factor other values: K=V1,V2; recipe=NAME starts from a recipe",
    )
    parser.add_argument("--seeds", type=int, metavar="N", help="number of seeds")
    parser.add_argument(
        "--until-decided",
        action="store_true",
        help="run seeds until every comparison is decided, at most --max-seeds; anyone may look at any time",
    )
    parser.add_argument("--max-seeds", type=int, metavar="N", help="largest number of seeds with --until-decided")
    parser.add_argument("--epochs", metavar="N", help="epochs of every trial; as --set epochs=N")
    parser.add_argument("--dataset", metavar="D", help="data set; as --set dataset=D")


def trial_options(parser: argparse.ArgumentParser) -> None:
    """What each trial gets."""
    parser.add_argument("--cpus-per-trial", type=int, default=1, metavar="C", help="CPUs and threads of a trial (1)")
    parser.add_argument(
        "--gpus-per-trial",
        type=float,
        metavar="G",
        help="GPUs of a trial (1 where there is one): a fraction puts several trials on one, "
        "n above 1 trains each trial in n processes (sets world_size)",
    )
    parser.add_argument("--jobs", type=int, metavar="N", help="trials at once at most (default: as many as fit)")


def run_options(parser: argparse.ArgumentParser) -> None:
    """How to run a study."""
    parser.add_argument("--only", metavar="TRIAL_ID", help="run this trial alone, if it has no finished record")
    parser.add_argument(
        "--verify",
        action="store_true",
        help="with --only: train the finished trial again, in scratch, and compare every number with its record; "
        "exit code 1 if one differs",
    )
    parser.add_argument(
        "--checkpoint-seconds", type=float, default=30.0, metavar="N", help="least time between checkpoints (30)"
    )
    cluster_options(parser)
    parser.add_argument(
        "--shared",
        action="store_true",
        help="share the study with other runs on the same folder that say so too, on any machines that mount it",
    )
    parser.add_argument(
        "--extend",
        action="store_true",
        help="add seeds although results could be seen; the report then gives no verdict, unless looks were declared",
    )
    parser.add_argument(
        "--allow-mixed-code",
        action="store_true",
        help="add records to a study that has records of other code; the report then gives no verdict",
    )
    mlflow_option(parser)


def budget_options(parser: argparse.ArgumentParser) -> None:
    """What a study may use in all its runs."""
    budget = parser.add_argument_group("budget, over all runs of the study; what does not fit is dropped seed by seed")
    budget.add_argument("--max-hours", type=float, metavar="H", help="hours in which trials run")
    budget.add_argument("--max-gpu-hours", type=float, metavar="H", help="GPU-hours of all trials")
    budget.add_argument("--max-cost", type=float, metavar="X", help="what the machines cost; needs --prices")
    budget.add_argument("--prices", metavar="FILE", help="YAML with the price of an hour of each type of machine")


def cluster_options(parser: argparse.ArgumentParser) -> None:
    """The cluster to run on."""
    parser.add_argument("--address", metavar="A", help="Ray cluster to join (auto: the one on this machine)")
    parser.add_argument(
        "--label",
        action="append",
        default=[],
        metavar="K=V",
        help="run trials only on nodes of the cluster that have this label, such as pool=gpu",
    )


def evaluate_options(parser: argparse.ArgumentParser) -> None:
    """What `ablate evaluate` measures."""
    parser.add_argument(
        "--metric",
        action="append",
        required=True,
        metavar="PKG:FN",
        help="function of (features, labels) of the test samples that returns a number; repeatable",
    )


def doctor_options(parser: argparse.ArgumentParser) -> None:
    """What `ablate doctor` looks at."""
    parser.add_argument("--address", metavar="A", help="Ray cluster to look at (auto: the one on this machine)")
    parser.add_argument("--study", metavar="STUDY", help="also check the own encoders, data sets and losses of a study")
    parser.add_argument(
        "--slurm",
        action="store_true",
        help="check Slurm here, and the nodes of a short job",
    )
    job_options(parser)
    mlflow_option(parser)


def spaces_option(parser: argparse.ArgumentParser) -> None:
    """What `ablate list` lists."""
    parser.add_argument("--spaces", action="store_true", help="the factors that may vary, with their grids")


def port_option(parser: argparse.ArgumentParser) -> None:
    """The port of `ablate ui`."""
    parser.add_argument("--port", type=int, default=5000, metavar="P", help="port on 127.0.0.1 (5000)")
