"""The MLflow view of a study: one experiment, one parent run per results location, one nested run per trial.

Runs are found again by tag, so that nothing is doubled however often a study runs or is synchronised.
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

from silhouette.location import ResultsLocation
from silhouette.results import Store

if TYPE_CHECKING:
    from mlflow import MlflowClient

MLFLOW_ENV = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_LOGGING_LEVEL": "ERROR",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
}
"""Set before MLflow is imported: no telemetry; a dead server is noticed at once, since the mirror retries itself."""
SQLITE = "sqlite:///"
MAX_BATCH = 1000
PARAMETER_TAGS = ("trial_id", "arm", "seed", "phase", "git_commit")


def tracking_uri(results: str | ResultsLocation, given: str | None = None) -> str:
    """Where the view lives: as given, `MLFLOW_TRACKING_URI`, or `mlflow.db` in the results folder.

    The path is absolute, since a trial works in a directory of its own.
    """
    uri = given or os.environ.get("MLFLOW_TRACKING_URI")
    if not uri:
        folder = "results" if "://" in str(results) else str(results)
        uri = f"{SQLITE}{Path(folder).absolute()}/mlflow.db"
    if uri.startswith(SQLITE):
        return f"{SQLITE}{Path(uri.removeprefix(SQLITE)).absolute()}"
    return uri


def make_folder(uri: str) -> None:
    """The folder of a database file, made if it is not there."""
    if uri.startswith(SQLITE):
        Path(uri.removeprefix(SQLITE)).parent.mkdir(parents=True, exist_ok=True)


@dataclass
class MlflowRuns:
    """The runs of one study and results location on an MLflow server.

    Args:
        uri: MLflow tracking URI.
        store: Whose records are shown.
        study: The study as `study.json` describes it.
    """

    uri: str
    store: Store
    study: Mapping[str, Any]
    _runs: dict[str, str] = field(default_factory=dict)
    _starts: dict[str, int] = field(default_factory=dict)
    _bare: set[str] = field(default_factory=set)
    _with_error: set[str] = field(default_factory=set)

    @cached_property
    def client(self) -> MlflowClient:
        """The client; importing MLflow takes seconds, so it happens in the thread that needs it."""
        os.environ.update(MLFLOW_ENV)
        import logging

        from mlflow import MlflowClient

        for name in ("mlflow", "alembic"):  # after the import, which sets levels of its own
            logging.getLogger(name).setLevel(logging.ERROR)
        make_folder(self.uri)
        return MlflowClient(self.uri)

    @cached_property
    def experiment(self) -> str:
        """Id of the study's experiment, created at need."""
        name = self.study["study"]
        found = self.client.get_experiment_by_name(name)
        if found is not None:
            if found.lifecycle_stage == "deleted":  # in the page, say; its name stays taken
                self.client.restore_experiment(found.experiment_id)
            return str(found.experiment_id)
        tags = {"mlflow.experimentKind": "custom_model_development"}  # the page then opens on runs, not on traces
        return str(self.client.create_experiment(name, artifact_location=self._artifact_folder(), tags=tags))

    def _artifact_folder(self) -> str | None:
        """Beside a database file; a server has its own place."""
        if not self.uri.startswith(SQLITE):
            return None
        return (Path(self.uri.removeprefix(SQLITE)).parent / "mlflow-artifacts").as_uri()

    @cached_property
    def parent(self) -> str:
        """Id of the parent run; also learns the ids of the nested ones that exist."""
        for run in self._search("trial"):
            self._remember(run.data.tags["trial_id"], run)
        for run in self._search("study"):
            return str(run.info.run_id)
        tags = {"kind": "study", "results": self.place, "mlflow.note.content": self.study["question"]}
        run = self.client.create_run(self.experiment, tags=tags, run_name=self.study["study"])
        return str(run.info.run_id)

    @property
    def place(self) -> str:
        """The results location as a tag: without a secret, and without the quote that would end it in a search."""
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
            self._bare.add(trial_id)
        if "error" in run.data.tags:
            self._with_error.add(run.info.run_id)

    def open(self) -> None:
        """Show that the study is running."""
        self.client.update_run(self.parent, status="RUNNING")
        self.client.set_tag(self.parent, "plan_hash", self.study["plan_hash"])

    def show(
        self, spec: Mapping[str, Any], rows: Iterable[Mapping[str, Any]], record: Mapping[str, Any] | None
    ) -> None:
        """Show new epochs of a trial, and its end once it has a record. Sent twice, it is shown once.

        Args:
            spec: `trial_id`, `arm`, `seed`, `phase`, `git_commit` and `config` (a dictionary) of the trial.
            rows: New rows of its curve.
            record: Its record, once it has one.
        """
        run_id = self._run_of(spec)
        self._log(run_id, [(k, v, row["epoch"]) for row in rows for k, v in row.items() if k != "epoch"])
        if record is not None:
            self._end(run_id, record)

    def _run_of(self, spec: Mapping[str, Any]) -> str:
        """Id of a trial's nested run, created at need with its parameters and tags."""
        from mlflow.entities import Param

        parent = self.parent  # first: it learns which runs there are
        if spec["trial_id"] not in self._runs:
            self._remember(spec["trial_id"], self._new_run(spec, parent))
        run_id = self._runs[spec["trial_id"]]
        if spec["trial_id"] in self._bare:
            values = {**spec["config"], "seed": spec["seed"]}  # an allow-list: nothing else is a parameter
            self.client.log_batch(run_id, params=[Param(k, str(v)) for k, v in values.items()])
            self._bare.discard(spec["trial_id"])
        return run_id

    def _new_run(self, spec: Mapping[str, Any], parent: str) -> Any:
        tags = {"kind": "trial", "results": self.place, "mlflow.parentRunId": parent}
        tags |= {name: str(spec[name]) for name in PARAMETER_TAGS if spec.get(name) is not None}
        try:
            return self.client.create_run(self.experiment, tags=tags, run_name=run_name(spec))
        except Exception:  # the server may have made the run and failed to say so: look again before the next try
            self.__dict__.pop("parent", None)
            raise

    def _log(self, run_id: str, values: Iterable[tuple[str, Any, int]]) -> None:
        """Log metrics. A metric's time follows from its run and epoch: what is sent twice is stored once."""
        from mlflow.entities import Metric

        start = self._starts[run_id]
        metrics = [Metric(k, float(v), start + 1000 * step, step) for k, v, step in values if v is not None]
        for i in range(0, len(metrics), MAX_BATCH):
            self.client.log_batch(run_id, metrics=metrics[i : i + MAX_BATCH])

    def _end(self, run_id: str, record: Mapping[str, Any]) -> None:
        """Final metrics, the status as a tag, and the end of the run."""
        step = int(record["epochs_reached"] or 0)
        finals = [(k, v, step) for k, v in record.items() if k.startswith("test_") and isinstance(v, int | float)]
        self._log(run_id, finals)
        self.client.set_tag(run_id, "status", record["status"])
        if record.get("error"):
            self.client.set_tag(run_id, "error", record["error"][:5000])
            self._with_error.add(run_id)
        elif run_id in self._with_error:  # it failed, and was run again
            self.client.delete_tag(run_id, "error")
            self._with_error.discard(run_id)
        ended = "FINISHED" if record["status"] in ("complete", "stopped") else "FAILED"
        took = round(1000 * (record.get("seconds") or 0))
        self.client.set_terminated(run_id, ended, end_time=self._starts[run_id] + took)

    def close(self, counts: Mapping[str, int]) -> None:
        """Show the end of the study's run, if it has not been shown, and how many trials have which status."""
        for name, value in counts.items():
            self.client.log_metric(self.parent, f"trials_{name}", value)
        left = counts.get("missing", 0) + counts.get("running", 0)
        if self.client.get_run(self.parent).info.status == "RUNNING":
            self.client.set_terminated(self.parent, "KILLED" if left else "FINISHED")

    def close_stale(self, known: Iterable[str]) -> None:
        """End the runs of trials that have no record and whom no driver is running any more."""
        for trial_id in self._runs.keys() - set(known):
            run = self.client.get_run(self._runs[trial_id])
            if run.info.status == "RUNNING":
                self.client.set_terminated(run.info.run_id, "KILLED")

    def attach_report(self) -> bool:
        """Add the report as artifacts and its verdicts to the parent run; False where there is no report."""
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
        for key in ("difference", "ci_low", "ci_high", "p_adjusted"):
            if comparison[key] is not None:
                self.client.log_metric(self.parent, f"{name}/{key}", float(comparison[key]))
        self.client.set_tag(self.parent, f"verdict/{name}", comparison["verdict"])


def _allowed(name: str) -> str:
    """A metric's name as MLflow allows it.

    >>> _allowed("long_tail×20/λ=0.2 long_tail×20")
    'long_tail_20/λ_0.2 long_tail_20'
    """
    return re.sub(r"[^/\w.\- :]", "_", name)[:200]


def run_name(spec: Mapping[str, Any]) -> str:
    """Name of a trial's run; in the tune phase it says which setting of the arm it is.

    >>> run_name({"arm": "CE", "seed": 3}), run_name({"arm": "CE", "seed": 3, "tune_number": 0})
    ('CE seed 3', 'CE #0 seed 3')
    """
    number = spec.get("tune_number")
    return f"{spec['arm']} seed {spec['seed']}" if number is None else f"{spec['arm']} #{number} seed {spec['seed']}"
