"""The MLflow mirror: a view of the records, fed by a thread of its own and never in the way.

One experiment per study; in it one parent run per results location and one nested run per trial, found again by
tag, so that nothing is doubled however often a study runs. Whatever does not arrive is delivered by `ablate sync`.
"""

from __future__ import annotations

import json
import os
import queue
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from silhouette.results import Store

if TYPE_CHECKING:
    from mlflow import MlflowClient

QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_ENABLE_ASYNC_LOGGING": "false",
}
"""Set before MLflow is imported: no telemetry; a dead server is noticed at once, since we retry ourselves."""
MAX_BATCH = 1000
MAX_QUEUE = 20_000
CLOSE_SECONDS = 20.0
METRICS = ("test_top1", "test_macro_top1", "test_loss", "test_silhouette")
"""Measured once, at the end; the validation metrics come with the epochs."""


def tracking_uri(results: str, given: str | None = None) -> str:
    """Where the view lives: as given, `MLFLOW_TRACKING_URI`, or `mlflow.db` in the results folder.

    The path is absolute, since a trial works in a directory of its own.
    """
    uri = given or os.environ.get("MLFLOW_TRACKING_URI")
    if uri:
        return uri
    folder = Path("results" if "://" in results else results).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    return f"sqlite:///{folder}/mlflow.db"


@dataclass
class View:
    """The runs of one study and results location on an MLflow server.

    Args:
        uri: MLflow tracking URI.
        store: Whose records are shown.
        study: The study as `study.json` describes it.
    """

    uri: str
    store: Store
    study: Mapping[str, Any]
    runs: dict[str, str] = field(default_factory=dict)

    @cached_property
    def client(self) -> MlflowClient:
        """The client; importing MLflow takes seconds, so it happens in the thread that needs it."""
        os.environ.update(QUIET)
        import logging

        logging.getLogger("mlflow").setLevel(logging.ERROR)
        logging.getLogger("alembic").setLevel(logging.ERROR)
        from mlflow import MlflowClient

        return MlflowClient(self.uri)

    @cached_property
    def experiment(self) -> str:
        """Id of the study's experiment, created at need."""
        name = self.study["study"]
        found = self.client.get_experiment_by_name(name)
        if found is not None:
            return str(found.experiment_id)
        artifacts = self._artifact_folder()
        return str(self.client.create_experiment(name, artifact_location=artifacts))

    def _artifact_folder(self) -> str | None:
        """Beside a database file; a server has its own place."""
        if not self.uri.startswith("sqlite:///"):
            return None
        return (Path(self.uri.removeprefix("sqlite:///")).absolute().parent / "mlflow-artifacts").as_uri()

    @cached_property
    def parent(self) -> str:
        """Id of the parent run; also learns the ids of the nested ones that exist."""
        mine = f"tags.results = '{_quoted(self.store.uri)}'"
        for run in self._search(f"{mine} AND tags.kind = 'trial'"):
            self.runs.setdefault(run.data.tags["trial_id"], run.info.run_id)
        for run in self._search(f"{mine} AND tags.kind = 'study'"):
            return str(run.info.run_id)
        tags = {
            "kind": "study",
            "results": self.store.uri,
            "plan_hash": self.study["plan_hash"],
            "mlflow.note.content": self.study["question"],
        }
        return str(self.client.create_run(self.experiment, tags=tags, run_name=self.study["study"]).info.run_id)

    def _search(self, filter_string: str) -> Iterable[Any]:
        token = None
        while True:
            page = self.client.search_runs([self.experiment], filter_string, max_results=1000, page_token=token)
            yield from page
            token = page.token
            if not token:
                return

    def run_of(self, spec: Mapping[str, Any]) -> str:
        """Id of a trial's nested run, created at need with its parameters and tags."""
        parent = self.parent  # first: it learns which runs there are
        trial_id = spec["trial_id"]
        if trial_id not in self.runs:
            run = self.client.create_run(self.experiment, tags=self._tags(spec, parent), run_name=_run_name(spec))
            self.runs[trial_id] = str(run.info.run_id)
            self._log_params(self.runs[trial_id], spec)
        return self.runs[trial_id]

    def _tags(self, spec: Mapping[str, Any], parent: str) -> dict[str, str]:
        tags = {"kind": "trial", "results": self.store.uri, "mlflow.parentRunId": parent}
        names = ("trial_id", "arm", "seed", "phase", "git_commit")
        return tags | {name: str(spec[name]) for name in names if spec.get(name) is not None}

    def _log_params(self, run_id: str, spec: Mapping[str, Any]) -> None:
        from mlflow.entities import Param

        values = {**spec["config"], "seed": spec["seed"]}  # an allow-list: nothing else is a parameter
        self.client.log_batch(run_id, params=[Param(k, str(v)) for k, v in values.items()])

    def log_epochs(self, run_id: str, rows: Iterable[Mapping[str, Any]]) -> None:
        """Per-epoch metrics. Their times follow from run and epoch: what is sent twice is stored once."""
        start = self.client.get_run(run_id).info.start_time
        values = [(k, v, row["epoch"]) for row in rows for k, v in row.items() if k != "epoch" and v is not None]
        self._log_metrics(run_id, values, start)

    def _log_metrics(self, run_id: str, values: list[tuple[str, float, int]], start: int) -> None:
        from mlflow.entities import Metric

        metrics = [Metric(key, float(value), start + 1000 * step, step) for key, value, step in values]
        for i in range(0, len(metrics), MAX_BATCH):
            self.client.log_batch(run_id, metrics=metrics[i : i + MAX_BATCH])

    def close_run(self, run_id: str, record: Mapping[str, Any]) -> None:
        """Final metrics, the status as a tag, and the end of the run."""
        start = self.client.get_run(run_id).info.start_time
        step = int(record["epochs_reached"] or 0)
        finals = [(k, record[k], step) for k in METRICS if record.get(k) is not None]
        self._log_metrics(run_id, finals, start)
        self.client.set_tag(run_id, "status", record["status"])
        if record.get("error"):
            self.client.set_tag(run_id, "error", record["error"][:5000])
        ended = "FINISHED" if record["status"] in ("complete", "stopped") else "FAILED"
        self.client.set_terminated(run_id, ended)

    def close(self, counts: Mapping[str, int]) -> None:
        """The parent's summary and end."""
        for name, value in counts.items():
            self.client.log_metric(self.parent, f"trials_{name}", value)
        self.client.set_terminated(self.parent)


class Mirror(threading.Thread):
    """Delivers what happens in a study to its `View`; its callers only ever put something into a queue.

    Args:
        view: Where to deliver to.
        specs: The trials to run by trial_id, as their workers get them.
        warn: Called at most once, with one line, when the server does not answer.
    """

    def __init__(self, view: View, specs: Mapping[str, Mapping[str, Any]], warn: Callable[[str], None]) -> None:
        super().__init__(name="mlflow-mirror", daemon=True)
        self.view, self.specs, self.warn = view, specs, warn
        self.events: queue.Queue[Mapping[str, Any] | None] = queue.Queue(MAX_QUEUE)
        self.dropped = False
        self.warned = False
        self.closing = threading.Event()
        self.counts: Mapping[str, int] = {}

    def report(self, report: Mapping[str, Any]) -> None:
        """Take what a trial reports; never waits. Over-full, it is left to `ablate sync`."""
        try:
            self.events.put_nowait(report)
        except queue.Full:
            self.dropped = True

    def close(self, counts: Mapping[str, int]) -> bool:
        """Deliver the rest; returns whether all has arrived within the time allowed."""
        self.counts = counts
        self.closing.set()
        try:
            self.events.put(None, timeout=1)
        except queue.Full:
            self.dropped = True
        self.join(CLOSE_SECONDS)
        return not (self.is_alive() or self.dropped)

    def run(self) -> None:
        """Deliver event after event until the end mark."""
        while (event := self.events.get()) is not None:
            self._insist(lambda event=event: self._deliver(event))  # type: ignore[misc]
            if self.dropped and self.closing.is_set():
                return
        self._insist(lambda: self.view.close(self.counts))

    def _deliver(self, event: Mapping[str, Any]) -> None:
        run_id = self.view.run_of(self.specs[event["trial_id"]])
        if event["rows"]:
            self.view.log_epochs(run_id, event["rows"])
        if "record" in event:
            self.view.close_run(run_id, event["record"])

    def _insist(self, deliver: Callable[[], None]) -> None:
        """Try until it works; once the study has ended, try once."""
        pause = 1.0
        while True:
            try:
                return deliver()
            except Exception as error:  # an MLflow server may fail in any way; the study must not
                self._warn_once(error)
            if self.closing.wait(pause):
                self.dropped = True
                return None
            pause = min(30.0, 2 * pause)

    def _warn_once(self, error: Exception) -> None:
        if not self.warned:
            first = (str(error).strip().splitlines() or [""])[0][:120]
            self.warn(
                f"MLflow at {self.view.uri} does not answer ({type(error).__name__}: {first}); "
                f"the study goes on, and `ablate sync {self.view.store.study}` completes the view"
            )
        self.warned = True


def _run_name(spec: Mapping[str, Any]) -> str:
    return f"{spec['arm']} seed {spec['seed']}"


def _quoted(text: str) -> str:
    return text.replace("'", "")


def sync(view: View, records: Iterable[Mapping[str, Any]], counts: Mapping[str, int]) -> int:
    """Bring the whole view in line with the records; running it again changes nothing.

    Returns:
        Number of trials shown.
    """
    shown = 0
    for record in records:
        spec = {**record, "config": json.loads(record["config"])}
        run_id = view.run_of(spec)
        view.log_epochs(run_id, record["curve"] or [])
        view.close_run(run_id, record)
        shown += 1
    view.close(counts)
    return shown
