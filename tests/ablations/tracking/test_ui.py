"""`ablate ui`: its address is printed when it answers, its log is quiet, and its link shows the runs by arm."""

import json
import re
import shutil
import socket
import urllib.request

import pytest

from ablations.cli.parser import main
from ablations.tracking.mirror import sync
from ablations.tracking.mlflow_runs import MlflowRuns
from silhouette.results import Store
from tests.helpers.mlflow_runs import STUDY, record
from tests.helpers.waiting import answers, free_port

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
MEANS = {"CE": 0.5, "long_tail×20, λ_sil=0.2, τ_s=0.1, batch_size=128": 0.25}


@pytest.fixture(scope="module")
def ui(ablate_once, migrated_database):
    """The lines that a running `ablate ui` prints first; asserts how it ends."""
    results = ablate_once.folder / "results"
    store = Store(str(results), "tiny")
    for number, (arm, mean) in enumerate(MEANS.items()):
        for seed in (0, 1):
            row = record(2 * number + seed)
            store.write_record({**row, "arm": arm, "seed": seed, "test_top1": mean + (seed - 0.5) / 10})
    store.write_json({**STUDY, "arms": [{"arm": arm} for arm in MEANS], "seeds": [0, 1]}, "study.json")
    database = shutil.copy(migrated_database, results / "mlflow.db")
    sync(MlflowRuns(f"sqlite:///{database}", store, STUDY))
    process = ablate_once.start("ui", "--port", str(free_port()))
    lines = [process.stdout.readline(), process.stdout.readline()]
    yield lines
    process.terminate()
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert (out, err) == ("", "")  # no access log


def address(line):
    return re.search(r"http://127\.0\.0\.1:\d+\S*", line)[0]


def test_the_printed_address_answers_at_once_and_on_this_machine_only(ui):
    assert ui[0].startswith("MLflow UI of sqlite:///")
    assert answers(f"{address(ui[0])}/health")
    port = int(address(ui[0]).rpartition(":")[2])
    with socket.socket() as elsewhere, pytest.raises(ConnectionRefusedError):
        elsewhere.connect(("127.0.0.2", port))


def test_the_link_names_a_view_that_the_experiment_has(ui):
    assert ui[1].startswith("  tiny, runs by arm: ")
    base, _, key = address(ui[1]).rpartition("?viewStateShareKey=")
    server, _, path = base.partition("/#/experiments/")
    query = f"{server}/api/2.0/mlflow/experiments/get?experiment_id={path.removesuffix('/runs')}"
    with urllib.request.urlopen(query) as answer:
        tags = {tag["key"]: tag["value"] for tag in json.load(answer)["experiment"]["tags"]}
    state = json.loads(tags[f"mlflow.sharedViewState.{key}"])
    assert state["groupBy"]["groupByKeys"] == [{"mode": "tag", "groupByData": "arm"}]
    assert "metrics.`test_top1`" in state["selectedColumns"]


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine (Debian: apt install chromium)")
def test_the_link_shows_the_mean_of_each_arm_with_its_whole_name(ui):
    sync_api = pytest.importorskip("playwright.sync_api", reason="the playwright package is not installed")
    with sync_api.sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 1500, "height": 900})
        page.goto(address(ui[1]))
        for arm, mean in MEANS.items():
            group = page.get_by_text(f"Group: {arm}", exact=True)
            group.wait_for(timeout=60_000)
            assert group.evaluate("it => it.scrollWidth <= it.clientWidth")  # not cut
            page.get_by_text(f"{mean:g} (average)").wait_for(timeout=60_000)
        browser.close()


def test_a_port_in_use_is_one_line(capsys):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["ui", "--port", str(port)]) == 2
    assert capsys.readouterr().err.startswith(f"ablate: --port: must be free, got {port}")


def test_a_database_that_cannot_be_opened_is_one_line_after_mlflow_s_own(ablate):
    (ablate.folder / "broken.db").write_text("no database")
    done = ablate("ui", "--mlflow", "sqlite:///broken.db", "--port", str(free_port()))
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("ablate: --mlflow: the MLflow server did not start, got sqlite:///")
