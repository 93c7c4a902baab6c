"""The mirror while its MLflow server works, dies, comes back, answers 500, or was never there."""

import http.server
import threading

import pytest

from ablations.tracking import mirror as mirror_module
from ablations.tracking.mirror import Mirror
from ablations.tracking.mlflow_runs import MlflowRuns
from silhouette.results import Store
from tests.helpers.mlflow_runs import STUDY, all_runs, record, report_all, spec_of, trial_id, trial_runs
from tests.helpers.pretend import EPOCH_SECONDS
from tests.helpers.waiting import free_port, wait_for


def statuses(view):
    return {run.info.status for run in trial_runs(view).values()}


def test_a_server_that_dies_and_comes_back_gets_everything_once(server, store):
    warnings, view = [], MlflowRuns(server.uri, store, STUDY)
    mirror = Mirror(MlflowRuns(server.uri, store, STUDY), spec_of, warnings.append)
    mirror.start()
    report_all(mirror, [0, 1])
    wait_for(lambda: len(trial_runs(view)) == 2 and statuses(view) == {"FINISHED"})
    server.kill()
    report_all(mirror, [2, 3])
    wait_for(lambda: warnings)
    server.start()
    report_all(mirror, [4])
    assert mirror.close({"complete": 5}, lambda: 120)
    assert len(warnings) == 1
    assert "does not answer" in warnings[0]
    runs = trial_runs(view)
    assert len(all_runs(view)) == 6
    assert statuses(view) == {"FINISHED"}
    for seed in range(5):
        run = runs[trial_id(seed)]
        assert run.info.run_name == f"λ=0.2 long_tail×20 seed {seed}"
        assert run.data.metrics["test_top1"] == 0.4 + seed / 100
        history = view.client.get_metric_history(run.info.run_id, "val_top1")
        assert [(m.step, m.value) for m in history] == [(1, 0.1), (2, 0.2), (3, 0.3)]


class Always500(http.server.BaseHTTPRequestHandler):
    def answer(self):
        self.send_response(500)
        self.end_headers()

    do_GET = do_POST = do_PATCH = answer

    def log_message(self, *arguments):
        pass


@pytest.fixture(params=["dead", "answers 500"])
def broken_server(request, monkeypatch):
    """The URI of a server that never works."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "0")  # seconds that MLflow would wait for its retry
    port = free_port()
    if request.param == "dead":
        yield f"http://127.0.0.1:{port}"
        return
    with http.server.ThreadingHTTPServer(("127.0.0.1", port), Always500) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{port}"
        server.shutdown()


def test_a_server_that_never_works_costs_one_warning(broken_server, store):
    warnings = []
    mirror = Mirror(MlflowRuns(broken_server, store, STUDY), spec_of, warnings.append)
    mirror.start()
    report_all(mirror, range(50))
    wait_for(lambda: warnings)
    assert not mirror.close({"complete": 50})
    assert len(warnings) == 1
    assert "ablate sync tiny" in warnings[0]


def test_closing_waits_no_longer_than_it_is_given(store, monkeypatch):
    release = threading.Event()
    mirror = Mirror(MlflowRuns("http://127.0.0.1:1", store, STUDY), spec_of, lambda text: None)
    monkeypatch.setattr(MlflowRuns, "open", lambda self: release.wait())  # no answer
    mirror.start()
    assert not mirror.close({"complete": 1}, lambda: 0.01)
    assert mirror.is_alive()
    release.set()


def test_a_signal_that_comes_while_the_mirror_closes_shortens_the_wait(store, monkeypatch):
    release, answers = threading.Event(), iter([60.0, 60.0, 60.0, 0.0])
    mirror = Mirror(MlflowRuns("http://127.0.0.1:1", store, STUDY), spec_of, lambda text: None)
    monkeypatch.setattr(MlflowRuns, "open", lambda self: release.wait())  # no answer
    mirror.start()
    assert not mirror.close({"complete": 1}, lambda: next(answers))
    assert (mirror.is_alive(), list(answers)) == (True, [])
    release.set()


def test_queue_is_bounded_and_putting_never_waits(store, monkeypatch):
    monkeypatch.setattr(mirror_module, "MAX_QUEUE", 10)
    mirror = Mirror(MlflowRuns("http://127.0.0.1:1", store, STUDY), spec_of, lambda text: None)
    report_all(mirror, range(100))  # the thread has not been started, so nothing leaves the queue
    assert mirror.events.qsize() == 10
    assert mirror.dropped


def test_a_run_that_an_interrupted_driver_left_open_is_ended_by_the_next_one(database, store):
    before = MlflowRuns(database, store, STUDY)
    for seed in (0, 1):
        before.show(spec_of(trial_id(seed)), [{"epoch": 1, "val_top1": 0.1}], None)
    store.write_record(record(0))  # its end did not reach MLflow; the other trial has not ended
    mirror = Mirror(MlflowRuns(database, store, STUDY), spec_of, lambda text: None)
    mirror.start()
    wait_for(lambda: trial_runs(before)[trial_id(0)].info.status == "FINISHED")
    assert trial_runs(before)[trial_id(0)].data.metrics["test_top1"] == 0.4
    assert trial_runs(before)[trial_id(1)].info.status == "RUNNING"
    store.write_record(record(1))  # written while the driver was being interrupted: nobody reports it
    assert mirror.close({"complete": 2}, lambda: 60)
    run = trial_runs(before)[trial_id(1)]
    assert (run.info.status, run.data.metrics["test_top1"]) == ("FINISHED", record(1)["test_top1"])


def test_a_study_runs_on_while_its_mlflow_server_goes_and_comes_back(server, ablate):
    ablate.study()
    options = ("--set", "epochs=6", "--seeds", "8", "--mlflow", server.uri)
    run = ablate.start("run", "tiny.py", *options, **{EPOCH_SECONDS: "0.1"})
    trials = ablate.folder / "results/tiny/trials"

    def finished(count):
        assert run.poll() is None, run.communicate()
        return len(list(trials.glob("*.parquet"))) >= count

    wait_for(lambda: finished(4))
    server.kill()
    wait_for(lambda: finished(8))
    server.start()
    out, err = run.communicate(timeout=300)
    assert run.returncode == 0, out + err
    assert "Traceback" not in out + err
    assert ablate("sync", "tiny", "--mlflow", server.uri).returncode == 0
    view = MlflowRuns(server.uri, Store(str(ablate.folder / "results"), "tiny"), STUDY)
    assert len(all_runs(view)) == 17
    assert {run.info.status for run in all_runs(view)} == {"FINISHED"}
