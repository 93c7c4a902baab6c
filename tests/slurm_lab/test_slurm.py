"""Studies on a real Slurm: each fault leaves the records of an undisturbed local run, and nothing else anywhere."""

import re

import pytest

from tests.helpers.waiting import wait_for

pytestmark = pytest.mark.cluster


def without_study(rows):
    return [{**row, "study": None} for row in rows]


def assert_equal(slurm, results, name, undisturbed):
    assert without_study(slurm.rows(results, name)) == without_study(undisturbed), slurm.log(results, name)


def hosts(slurm, job):
    """The nodes of a job, its first one first."""
    text = slurm.job(job)["NodeList"]
    found = re.fullmatch(r"n\[?([\d,-]+)\]?", text)[1]
    numbers = []
    for part in found.split(","):
        low, _, high = part.partition("-")
        numbers += range(int(low), int(high or low) + 1)
    return [f"n{number}" for number in numbers]


def test_a_study_over_two_nodes_ends_with_its_code_and_leaves_nothing(slurm, undisturbed):
    job = slurm.submit("two_nodes.py", "r", "--nodes", "2")
    wait_for((slurm.folder_of("r", "two_nodes") / "driver.json").exists, 180)
    assert "running: process" in slurm.on("login", "ablate", "status", "two_nodes.py", "--results", "/shared/r").stdout
    slurm.wait()
    assert_equal(slurm, "r", "two_nodes", undisturbed)
    assert (slurm.job(job)["JobState"], slurm.job(job)["ExitCode"]) == ("COMPLETED", "0:0")
    assert slurm.leftovers() == []


def test_a_study_that_is_warned_of_its_limit_is_requeued_and_goes_on(slurm, undisturbed):
    job = slurm.submit("warned.py", "r", "--nodes", "2", "--checkpoint-seconds", "0")
    slurm.wait_for_checkpoint("r", "warned")
    slurm.on("login", "scancel", "--signal", "USR1", "--batch", job)
    slurm.wait()
    log = slurm.log("r", "warned")
    assert "ablate run ended with 143, asked to stop (requeue)" in log
    assert ": start 2 on " in log
    assert slurm.job(job)["Restarts"] == "1"
    assert slurm.job(job)["JobState"] == "COMPLETED"
    assert_equal(slurm, "r", "warned", undisturbed)
    assert slurm.leftovers() == []


def test_a_lost_worker_costs_its_trial_an_interval_and_the_job_goes_on(slurm, undisturbed):
    job = slurm.submit("node_lost.py", "r", "--nodes", "2", "--checkpoint-seconds", "0", epoch_seconds=0.5)
    slurm.wait_for_checkpoint("r", "node_lost")
    slurm.lab("kill", hosts(slurm, job)[1])
    slurm.wait()
    assert slurm.job(job)["Restarts"] == "0"
    assert "ablate run ended with 0" in slurm.log("r", "node_lost")
    assert_equal(slurm, "r", "node_lost", undisturbed)


def test_a_lost_first_node_lets_the_job_begin_again_on_others(slurm, undisturbed):
    job = slurm.submit("first_lost.py", "r", "--nodes", "2", "--checkpoint-seconds", "0", epoch_seconds=0.5)
    slurm.wait_for_checkpoint("r", "first_lost")
    slurm.lab("kill", hosts(slurm, job)[0])
    wait_for(lambda: slurm.job(job)["Restarts"] == "1", 120)
    slurm.wait()
    log = slurm.log("r", "first_lost")
    assert ": start 2 on " in log  # what the worker says goes through the first node, and is lost with it
    assert_equal(slurm, "r", "first_lost", undisturbed)


def test_scancel_ends_in_order_and_keeps_what_is_finished(slurm):
    job = slurm.submit("one.py", "cancelled", "--nodes", "2", "--checkpoint-seconds", "0", epoch_seconds=0.5)
    slurm.wait_for_checkpoint("cancelled", "one")
    slurm.on("login", "scancel", job)
    slurm.wait(60)
    log = slurm.log("cancelled", "one")
    assert "ablate run ended with 143, asked to stop (end)" in log
    assert slurm.job(job)["JobState"] == "CANCELLED"
    assert not (slurm.folder_of("cancelled", "one") / "driver.json").exists()
    wait_for(lambda: slurm.leftovers() == [], 30)


def test_two_jobs_share_the_same_nodes(slurm, undisturbed):
    jobs = [slurm.submit(f"{name}.py", "both", "--nodes", "3") for name in ("one", "other")]
    slurm.wait()
    for job, name in zip(jobs, ("one", "other"), strict=True):
        assert slurm.job(job)["JobState"] == "COMPLETED"
        assert_equal(slurm, "both", name, undisturbed)
    assert slurm.leftovers() == []


def test_three_tasks_share_a_study_and_take_over_the_trials_of_one_that_is_killed(slurm, undisturbed):
    slurm.submit("shared.py", "r", "--array", "3", "--checkpoint-seconds", "0", epoch_seconds=0.5)
    claims = slurm.folder_of("r", "shared") / "claims"
    wait_for(lambda: len({path.read_text() for path in claims.glob("*.0000")}) >= 3, 180)
    slurm.lab("kill", "n2")
    slurm.wait()
    assert_equal(slurm, "r", "shared", undisturbed)
    assert list((slurm.folder_of("r", "shared") / "drivers").glob("*.json")) == []


def test_a_real_time_limit(slurm, undisturbed):
    """The warning comes a minute early at most: of four minutes one or two are left for the study."""
    job = slurm.submit("limit.py", "r", "--time", "4", "--checkpoint-seconds", "0", epoch_seconds=0.9)
    slurm.wait(540)
    assert int(slurm.job(job)["Restarts"]) >= 1
    assert slurm.job(job)["JobState"] == "COMPLETED"
    assert_equal(slurm, "r", "limit", undisturbed)


def test_the_doctor_sees_the_nodes(slurm):
    done = slurm.on("login", "ablate", "doctor", "--slurm", "--nodes", "2", "--results", "/shared/r", timeout=240)
    assert "all 2 nodes joined" in done.stdout, done.stdout + done.stderr
    assert len(re.findall(r"^ok     node .*same versions, sees the results", done.stdout, re.MULTILINE)) == 2
    assert done.returncode == 0, done.stdout
    assert slurm.leftovers() == []
