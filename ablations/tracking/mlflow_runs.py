"""The MLflow runs of a study: one experiment, one parent run per results location, one nested run per trial.

Existing runs are found by their tags, so a study that runs or is synchronised again makes no second run of a trial.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ablations.errors import StudyError
from ablations.state.pending import has_complete_plan
from ablations.tracking.runs_table import VIEW_TAG, runs_table
from silhouette.location import ResultsLocation, local_folder
from silhouette.measured import flat
from silhouette.metrics import validation_metric
from silhouette.results import Store

if TYPE_CHECKING:
    from mlflow import MlflowClient

MLFLOW_ENV = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_LOGGING_LEVEL": "ERROR",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
}
"""Environment variables that MLflow reads while it is imported: no telemetry, errors only.

MLflow retries little and gives up soon, since the mirror retries itself.
"""
SQLITE = "sqlite:///"
MAX_BATCH = 1000
PARAMETER_TAGS = ("trial_id", "arm", "seed", "phase", "git_commit")


def tracking_uri(results: str | ResultsLocation, given: str | None = None) -> str:
    """Return the URI of the MLflow store: `given`, or `MLFLOW_TRACKING_URI`, or `mlflow.db` in the results folder.

    The path of a database file is made absolute, since a trial has another working directory.

    Args:
        results: Location of the results. For an object store the database is in the folder `results`.
        given: What `--mlflow` gives.
    """
    uri = given or os.environ.get("MLFLOW_TRACKING_URI")
    if not uri:
        uri = f"{SQLITE}{local_folder(results) or Path('results').absolute()}/mlflow.db"
    if uri.startswith(SQLITE):
        return f"{SQLITE}{Path(uri.removeprefix(SQLITE)).absolute()}"
    return uri


def make_folder(uri: str) -> None:
    """Create the folder of a database file. MLflow would wait for minutes where it cannot write there.

    Raises:
        StudyError: If nothing can be written there.
    """
    if not uri.startswith(SQLITE):
        return
    folder = Path(uri.removeprefix(SQLITE)).parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise StudyError(
            f"--results: the MLflow database is in {folder}: {error.strerror}; give a folder that can be written, or "
            f"another --mlflow, got {uri}"
        ) from None


@dataclass
class MlflowRuns:
    """The runs of one study and results location in an MLflow store.

    Args:
        uri: MLflow tracking URI.
        store: Records that the runs show.
        study: Content of `study.json`.
    """

    uri: str
    store: Store
    study: Mapping[str, Any]
    _runs: dict[str, str] = field(default_factory=dict)
    _starts: dict[str, int] = field(default_factory=dict)
    _without_params: set[str] = field(default_factory=set)
    _unfinished: set[str] = field(default_factory=set)
    _with_error: set[str] = field(default_factory=set)

    @cached_property
    def client(self) -> MlflowClient:
        """The client. MLflow takes seconds to import, so the first thread that needs it does so."""
        make_folder(self.uri)
        os.environ.update(MLFLOW_ENV)
        import logging

        from mlflow import MlflowClient

        for name in ("mlflow", "alembic"):  # after the import, which sets levels
            logging.getLogger(name).setLevel(logging.ERROR)
        return MlflowClient(self.uri)

    @cached_property
    def experiment(self) -> str:
        """Id of the study's experiment, which is created or restored if necessary."""
        name = self.study["study"]
        found = self.client.get_experiment_by_name(name)
        if found is not None:
            if found.lifecycle_stage == "deleted":  # by a person; its name cannot be used for a new one
                self.client.restore_experiment(found.experiment_id)
            self.client.set_experiment_tag(found.experiment_id, VIEW_TAG, runs_table(validation_metric(self._metric)))
            return str(found.experiment_id)
        table = runs_table(validation_metric(self._metric))
        tags = {"mlflow.experimentKind": "custom_model_development", VIEW_TAG: table}  # opens on the runs
        return str(self.client.create_experiment(name, artifact_location=self._artifact_folder(), tags=tags))

    @property
    def _metric(self) -> str:
        return str(self.study.get("metric", "test_top1"))

    def _artifact_folder(self) -> str | None:
        """The folder beside a database file; None for a server, which has its own."""
        if not self.uri.startswith(SQLITE):
            return None
        return (Path(self.uri.removeprefix(SQLITE)).parent / "mlflow-artifacts").as_uri()

    @cached_property
    def parent(self) -> str:
        """Id of the parent run. The first access also reads which trials have runs."""
        for run in self._search("trial"):
            self._remember(run.data.tags["trial_id"], run)
        for run in self._search("study"):
            return str(run.info.run_id)
        tags = {"kind": "study", "results": self.place, "mlflow.note.content": self.study["question"]}
        run = self.client.create_run(self.experiment, tags=tags, run_name=self.study["study"])
        return str(run.info.run_id)

    @property
    def place(self) -> str:
        """The results location as a tag: without its secret, and without quotes, which end a string in a search."""
        return self.store.shown.replace("'", "")

    def _search(self, kind: str) -> Iterator[Any]:
        wanted = f"tags.results = '{self.place}' AND tags.kind = '{kind}'"
        token = None
        while True:
            page = self.client.search_runs([self.experiment], wanted, max_results=1000, page_token=token)
            yield from page
            token = page.token
            if not token:
                return

    def _remember(self, trial_id: str, run: Any) -> None:
        self._runs[trial_id] = str(run.info.run_id)
        self._starts[run.info.run_id] = run.info.start_time
        if not run.data.params:
            self._without_params.add(trial_id)
        if run.info.status == "RUNNING":
            self._unfinished.add(trial_id)
        if "error" in run.data.tags:
            self._with_error.add(run.info.run_id)

    def unfinished(self) -> list[str]:
        """Return the trial_ids whose runs have not ended."""
        _ = self.parent  # reads which runs there are
        return sorted(self._unfinished)

    def open(self) -> None:
        """Mark the parent run as running."""
        self.client.update_run(self.parent, status="RUNNING")
        self.client.set_tag(self.parent, "plan_hash", self.study["plan_hash"])

    def show(
        self, spec: Mapping[str, Any], rows: Iterable[Mapping[str, Any]], record: Mapping[str, Any] | None
    ) -> None:
        """Log new epochs of a trial, and end its run if it has a record. Calling it twice changes nothing.

        Args:
            spec: `trial_id`, `arm`, `seed`, `phase`, `git_commit` and `config` (a dictionary) of the trial.
            rows: New rows of its curve.
            record: Its record; None while it has none.
        """
        run_id = self._run_of(spec)
        self._log(run_id, [(k, v, row["epoch"]) for row in map(flat, rows) for k, v in row.items() if k != "epoch"])
        if record is not None:
            self._end(run_id, record)
            self._unfinished.discard(spec["trial_id"])

    def _run_of(self, spec: Mapping[str, Any]) -> str:
        """Id of a trial's run, which is created with its parameters and tags if necessary."""
        from mlflow.entities import Param

        parent = self.parent  # first, since it reads which runs there are
        if spec["trial_id"] not in self._runs:
            self._remember(spec["trial_id"], self._new_run(spec, parent))
        run_id = self._runs[spec["trial_id"]]
        if spec["trial_id"] in self._without_params:
            values = {**spec["config"], "seed": spec["seed"]}  # nothing else, since other values may be secret
            self.client.log_batch(run_id, params=[Param(k, str(v)) for k, v in values.items()])
            self._without_params.discard(spec["trial_id"])
        return run_id

    def _new_run(self, spec: Mapping[str, Any], parent: str) -> Any:
        tags = {"kind": "trial", "results": self.place, "mlflow.parentRunId": parent}
        tags |= {name: str(spec[name]) for name in PARAMETER_TAGS if spec.get(name) is not None}
        try:
            return self.client.create_run(self.experiment, tags=tags, run_name=run_name(spec))
        except Exception:  # the server may have created the run: the next attempt reads the runs again
            self.__dict__.pop("parent", None)
            raise

    def _log(self, run_id: str, values: Iterable[tuple[str, Any, int]]) -> None:
        """Log metrics. A metric's timestamp is a function of run and epoch, so a value sent twice is stored once."""
        from mlflow.entities import Metric

        start = self._starts[run_id]
        metrics = [Metric(k, float(v), start + 1000 * step, step) for k, v, step in values if v is not None]
        for i in range(0, len(metrics), MAX_BATCH):
            self.client.log_batch(run_id, metrics=metrics[i : i + MAX_BATCH])

    def _end(self, run_id: str, record: Mapping[str, Any]) -> None:
        """Log the final metrics and the status, and end the run."""
        step = int(record["epochs_reached"] or 0)
        own = record.get("metrics") or {}
        finals = [(k, v, step) for k, v in record.items() if k.startswith("test_") and isinstance(v, int | float)]
        finals += [(_allowed(k), v, step) for k, v in own.items()]
        self._log(run_id, finals)
        self.client.set_tag(run_id, "status", record["status"])
        if record.get("error"):
            self.client.set_tag(run_id, "error", record["error"][:5000])
            self._with_error.add(run_id)
        elif run_id in self._with_error:  # the trial failed before and was run again
            self.client.delete_tag(run_id, "error")
            self._with_error.discard(run_id)
        ended = "FINISHED" if record["status"] in ("complete", "stopped") else "FAILED"
        took = round(1000 * (record.get("seconds") or 0))
        self.client.set_terminated(run_id, ended, end_time=self._starts[run_id] + took)

    def close(self, counts: Mapping[str, int]) -> None:
        """Log how many trials have which status, and end the parent run.

        The table of the runs shows means on test data from now on, if the plan is complete.

        Args:
            counts: Number of trials by status.
        """
        for name, value in counts.items():
            self.client.log_metric(self.parent, f"trials_{name}", value)
        left = counts.get("missing", 0) + counts.get("running", 0)
        if self.client.get_run(self.parent).info.status == "RUNNING":
            self.client.set_terminated(self.parent, "KILLED" if left else "FINISHED")
        if has_complete_plan(self.store):
            self.client.set_experiment_tag(self.experiment, VIEW_TAG, runs_table(self._metric))

    def close_stale(self, known: Iterable[str]) -> None:
        """End the runs of trials that have no record and that no driver runs.

        Args:
            known: The trial_ids with a record or a driver.
        """
        for trial_id in self._runs.keys() - set(known):
            run = self.client.get_run(self._runs[trial_id])
            if run.info.status == "RUNNING":
                self.client.set_terminated(run.info.run_id, "KILLED")

    def attach_report(self) -> bool:
        """Add the report and its verdicts to the parent run. Return False if there is no report."""
        report = self.store.read_json("report/report.json")
        if report is None:
            return False
        with tempfile.TemporaryDirectory() as folder:
            self.store.download("report", folder)
            self.client.log_artifacts(self.parent, folder, artifact_path="report")
        for comparison in report["comparisons"]:
            self._show_verdict(comparison)
        return True

    def _show_verdict(self, comparison: Mapping[str, Any]) -> None:
        name = _allowed(f"{comparison['family']}/{comparison['treatment']}")
        # as on the page of the report: without a verdict there is neither an interval nor a p
        keys = ("difference",) if comparison.get("reason") else ("difference", "ci_low", "ci_high", "p_adjusted")
        for key in keys:
            if comparison[key] is not None:
                self.client.log_metric(self.parent, f"{name}/{key}", float(comparison[key]))
        self.client.set_tag(self.parent, f"verdict/{name}", comparison["verdict"])


def _allowed(name: str) -> str:
    """Replace the characters that MLflow does not allow in a metric's name.

    >>> _allowed("long_tail×20/λ=0.2 long_tail×20")
    'long_tail_20/λ_0.2 long_tail_20'
    """
    return re.sub(r"[^/\w.\- :]", "_", name)[:200]


def run_name(spec: Mapping[str, Any]) -> str:
    """Return the name of a trial's run. In the tune phase it has the number of the candidate.

    >>> run_name({"arm": "CE", "seed": 3}), run_name({"arm": "CE", "seed": 3, "tune_number": 0})
    ('CE seed 3', 'CE #0 seed 3')
    """
    number = spec.get("tune_number")
    return f"{spec['arm']} seed {spec['seed']}" if number is None else f"{spec['arm']} #{number} seed {spec['seed']}"
