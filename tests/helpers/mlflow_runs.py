"""A study of one arm for the tests of the MLflow runs: its records, and what MLflow shows of them."""

from ablations.tracking.mirror import TrialProgress

STUDY = {"study": "tiny", "question": "Does <it> help?", "plan_hash": "0123456789abcdef", "metric": "test_top1"}


def trial_id(seed):
    return f"{seed:016x}"


def record(seed, status="complete"):
    return {
        "trial_id": trial_id(seed),
        "arm": "λ=0.2 long_tail×20",
        "seed": seed,
        "phase": "confirm",
        "settings": "{}",
        "config": '{"lambda_sil": 0.2}',
        "status": status,
        "epochs_planned": 3,
        "epochs_reached": 3,
        "val_top1": 0.5,
        "test_top1": 0.4 + seed / 100,
        "curve": [{"epoch": e, "val_top1": e / 10} for e in (1, 2, 3)],
        "error": None if status == "complete" else "boom",
    }


def spec_of(name):
    """What the worker of a trial was sent."""
    return {**record(int(name, 16)), "config": {"lambda_sil": 0.2}}


def report_all(mirror, seeds):
    """Report three epochs and the record of each seed."""
    for seed in seeds:
        row = record(seed)
        for point in row["curve"]:
            mirror.report(TrialProgress(row["trial_id"], [point]))
        mirror.report(TrialProgress(row["trial_id"], record=row))


def all_runs(view):
    return view.client.search_runs([view.experiment])


def trial_runs(view):
    """The runs of trials, by trial_id."""
    return {run.data.tags["trial_id"]: run for run in all_runs(view) if run.data.tags["kind"] == "trial"}
