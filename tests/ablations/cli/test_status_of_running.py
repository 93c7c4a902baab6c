"""`ablate status` while a driver runs."""

from ablations import load_study
from ablations.cli.parser import main
from ablations.state.lock import DriverLock
from silhouette.results import Store


def test_a_failed_trial_that_runs_again_is_shown_as_running(tmp_path, capsys):
    store, trial = Store(str(tmp_path), "demo"), next(iter(load_study("demo").trials()))
    record = {"trial_id": trial.trial_id, "arm": trial.arm.label, "seed": trial.seed, "phase": "confirm"}
    store.write_record({**record, "status": "failed", "error": "no worker"})
    assert main(["status", "demo", "--results", str(tmp_path)]) == 0
    assert "1 failed" in capsys.readouterr().out
    with DriverLock(store, "ablate run demo", lambda: [trial.trial_id]):
        assert main(["status", "demo", "--results", str(tmp_path)]) == 0
    shown = capsys.readouterr().out
    assert "1 running" in shown
    assert "1 failed" not in shown
