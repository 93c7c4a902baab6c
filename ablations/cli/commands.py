"""The subcommands of `ablate` that prepare, plan, run and check. Each imports heavy packages only when it runs."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING

from ablations.cli.results import next_command, open_store, read_study, study_name
from ablations.errors import StudyError

if TYPE_CHECKING:
    from ablations.design.arms import Arm
    from ablations.design.budgets.limits import Budget
    from ablations.design.study import Study
    from ablations.state.decisions import Decisions
    from ablations.state.pending import StudyState
    from silhouette.data.cache import Arrays
    from silhouette.results import Store


def list_studies(given: Namespace) -> int:
    """Print the names of the built-in studies, or the factors that may vary."""
    from ablations.design.loading import built_in, question

    if given.spaces:
        _print_spaces()
        return 0
    for name, path in built_in().items():
        print(f"{name:16s} {question(path)}")
    return 0


def _print_spaces() -> None:
    from search_spaces import SEARCHABLE, listing
    from search_spaces.recipes import recipe_listing
    from search_spaces.terms import term_listing

    for line in (*listing(SEARCHABLE), *term_listing(), *recipe_listing()):
        print(line)


def plan(given: Namespace) -> int:
    """Print what a study plans, what is finished and what is left; runs nothing."""
    from ablations import RunOptions
    from ablations.cli.decided import decisions_now
    from ablations.design.budgets.limits import make_budget
    from ablations.design.data_use import check_own_data
    from ablations.design.plan import check_plan
    from ablations.design.plugins import check_own_code
    from ablations.search.selection import load_selection
    from ablations.state.pending import read_study_state

    RunOptions(results=given.results, cpus=given.cpus_per_trial, gpus=given.gpus_per_trial, jobs=given.jobs).check()
    budget = make_budget(given.max_hours, given.max_gpu_hours, given.max_cost, given.prices, planned=True)
    study = read_study(given)
    if not study.experiment:
        check_own_data(study.start_arms, here=False)
        check_own_code(study.start_arms, study.tuning, here=False)
    store = open_store(given, study.name)
    study = load_selection(study, store)
    check_plan(study, store)
    state, decisions = read_study_state(study, store), decisions_now(study, store)
    if decisions is not None:
        state = state.needed(decisions.wanted, study.seeds)
    lines = _plan_lines(study, store, state, decisions), _cost_lines(given, budget, study, store, state)
    for line in chain(*lines):
        print(line)
    return 0


def _plan_lines(study: Study, store: Store, state: StudyState, decisions: Decisions | None) -> Iterator[str]:
    """The arms, what of the study is finished, and what its seeds can show."""
    from ablations.cli.decided import decided_lines
    from ablations.cli.detectable import seed_line
    from ablations.console.candidates import tune_line
    from ablations.design.never import never_lines
    from ablations.design.recipes import recipe_lines
    from ablations.formatting import counted
    from ablations.state.additions import extension_line
    from ablations.state.kept import kept_line

    yield f"{study.name}: {study.question}\n"
    yield from recipe_lines(study)
    for arm in study.arms:
        yield f"  {arm.label}{_loss_in_words(arm)}{'   (baseline)' if arm.baseline else ''}"
    yield from ("", *map(str, study.merges), *never_lines(study), *filter(None, [tune_line(study, store)]))
    if line := extension_line(study, store):
        yield f"note: {line}; `ablate run` needs --extend for it"
    most = _most(study)
    yield f"{counted(len(study.arms), 'arm')} × {most}{counted(len(study.seeds), 'seed')} = {most}{state.summary()}"
    yield from filter(None, [seed_line(study)])
    yield from decided_lines(decisions) if decisions else ()
    complete = {trial_id for trial_id, status in state.status.items() if status == "complete"}
    yield from filter(None, [kept_line(store, complete, study.keep)])


def _cost_lines(
    given: Namespace, budget: Budget | None, study: Study, store: Store, state: StudyState
) -> Iterator[str]:
    """The expected time, and what a budget buys."""
    from ablations.cli.buying import budget_lines
    from ablations.console.candidates import tune_pace, tune_seconds
    from ablations.design.processes import processes

    state = state if state.pace else replace(state, pace=tune_pace(store))
    seconds = state.expected_seconds()
    if seconds is not None:
        seconds += tune_seconds(study, store, state.pace)
    yield _expectation(given, seconds, state.gpu, processes(study), _most(study))
    yield from budget_lines(given, budget, study, store, state)


def _most(study: Study) -> str:
    """What stands before a number that is reached only if the seeds do not decide earlier."""
    return "at most " if study.stop else ""


def _loss_in_words(arm: Arm) -> str:
    """What papers call the objective of an arm that is told apart by it; empty if its label says so already."""
    from search_spaces.terms import objective_label

    words = objective_label(arm.settings["objective"]) if "objective" in arm.settings else ""
    return "" if words in arm.label else f"   {words}"


def _expectation(given: Namespace, seconds: float | None, gpu: bool, together: int, most: str) -> str:
    """Time on this machine, and GPU-hours if trials take a GPU, in one line; `most` stands before the time.

    Args:
        given: The command line.
        seconds: Expected time of all trials, one after another; None if unknown.
        gpu: Whether the trials so far took a GPU.
        together: Processes that train a trial.
        most: Words before the time.
    """
    from ablations.cluster.resources import usable_cpus
    from ablations.formatting import duration
    from ablations.state.pending import slots

    if seconds is None:
        return "expected time: unknown, there are no records of similar trials"
    fit = slots(max(given.cpus_per_trial, together), usable_cpus())
    at_once = min(fit, given.jobs or fit)
    line = f"expected time: {most}about {duration(seconds / at_once)}, {at_once} at once on this machine"
    gpus = float(gpu) * together if given.gpus_per_trial is None else given.gpus_per_trial
    return line + (f"; {seconds * gpus / 3600:.2g} GPU-hours" if gpus else "")


def run(given: Namespace) -> int:
    """Run every trial that has no record, or one trial; or train one again and compare it with its record."""
    import shlex

    from ablations import RunOptions, run_study
    from ablations.cli.detectable import seed_line
    from ablations.cli.trials import verify
    from ablations.console.live import print_lines
    from ablations.design.never import never_lines
    from ablations.driver.options import labels_of
    from silhouette.errors import without_secret

    if given.verify and given.only is None:
        raise StudyError("--verify: requires --only TRIAL_ID")
    options = RunOptions(
        results=given.results,
        cpus=given.cpus_per_trial,
        gpus=given.gpus_per_trial,
        labels=labels_of(given.label),
        address=given.address,
        mlflow=given.mlflow,
        jobs=given.jobs,
        allow_mixed_code=given.allow_mixed_code,
        extend=given.extend,
        checkpoint_seconds=given.checkpoint_seconds,
        only=given.only,
        shared=given.shared,
        max_hours=given.max_hours,
        max_gpu_hours=given.max_gpu_hours,
        max_cost=given.max_cost,
        prices=given.prices,
        command=without_secret(shlex.join(["ablate", *given.given])),
    )
    options.check()  # before anything is printed
    study = read_study(given)
    if given.verify:
        return verify(study, options)
    if lines := [*never_lines(study), *filter(None, [seed_line(study)])]:
        print_lines(*lines)
    code = run_study(study, options)
    if code == 0:
        print_lines(f"next: {next_command('report', given)}")
    return code


def data(given: Namespace) -> int:
    """Fetch and decode a data set, or those of a study, ahead of time."""
    from rich.progress import Progress

    from ablations.design.loading import built_in, load_study
    from silhouette.config import TrialConfig, make_config
    from silhouette.data.cache import cache_folder
    from silhouette.data.splits import load

    of_study = given.what in built_in() or given.what.endswith(".py")
    found = [arm.config for arm in load_study(given.what).arms] if of_study else [make_config({"dataset": given.what})]
    configs = [config for config in found if isinstance(config, TrialConfig)]
    if not configs:
        raise StudyError(f"what: the experiment of a study fetches its own data, got {given.what!r}")
    for name in dict.fromkeys(config.dataset for config in configs):
        with Progress(transient=True) as bar:
            update = partial(bar.update, bar.add_task(name))
            for config in configs:  # an entry that is there already takes no time
                if config.dataset == name:
                    arrays = load(config, partial(_decoded, update))
        print(f"{name}: ready, {_contents(arrays)} (cache: {cache_folder()})")
    return 0


def _contents(arrays: Arrays) -> str:
    """Return the numbers of images and classes, and where the test samples come from."""
    count = len(arrays.labels)
    if arrays.train is None:
        tests = "test images are cut by split_seed"
    else:
        tests = f"{count - arrays.train} of them for the official test"
    return f"{count} images, {len(arrays.classes)} classes, {tests}"


def _decoded(update: Callable[..., None], done: int, total: int) -> None:
    update(completed=done, total=total)


def sync(given: Namespace) -> int:
    """Bring the MLflow runs in line with the records."""
    from ablations.design.plan import read_description
    from ablations.formatting import counted
    from ablations.tracking.mirror import sync
    from ablations.tracking.mlflow_runs import MlflowRuns, tracking_uri
    from silhouette.errors import without_secret

    store = open_store(given, study_name(given.study))
    description = read_description(store)
    if description is None:
        raise StudyError(f"STUDY: must have run; {store.location} holds nothing of it, got {given.study!r}")
    runs = MlflowRuns(tracking_uri(given.results, given.mlflow), store, description)
    print(f"{store.study}: {counted(sync(runs), 'trial')} shown at {without_secret(runs.uri)}")
    return 0


def ui(given: Namespace) -> int:
    """Run the MLflow user interface on 127.0.0.1."""
    from ablations.tracking.mlflow_runs import make_folder, tracking_uri
    from ablations.tracking.ui import serve
    from silhouette.errors import without_secret

    if not 1 <= given.port <= 65_535:
        raise StudyError(f"--port: must be from 1 to 65535, got {given.port}")
    uri = tracking_uri(given.results, given.mlflow)
    make_folder(uri)
    return serve(uri, given.port, without_secret(uri))


def doctor(given: Namespace) -> int:
    """Examine this machine and a cluster; 1 if a study could not run."""
    if given.slurm:
        from ablations.cli.slurm import doctor as doctor_of_slurm

        return doctor_of_slurm(given)
    from ablations.design.loading import load_study
    from ablations.doctor.examine import examine
    from ablations.formatting import counted
    from silhouette.errors import without_secret

    faults, study = 0, load_study(given.study) if given.study else None
    for finding in examine(given.results, given.mlflow, given.address, study):
        print(without_secret(str(finding)), flush=True)  # it may name the results location or the MLflow server
        faults += finding.state == "fault"
    print(counted(faults, "fault") if faults else "ready to run")
    return 1 if faults else 0


def cluster_watch(given: Namespace) -> int:
    """Wait for the notice that the cloud is about to terminate this spot machine, then drain its node."""
    from ablations.cluster.preemption import watch

    return watch(partial(print, flush=True))


def init(given: Namespace) -> int:
    """Write a study or the files of a cluster; without a kind, list the kinds."""
    from ablations.templates.write import KINDS, next_line, write

    if given.kind is None:
        for name, kind in KINDS.items():
            print(f"{name:8s} {kind.what}")
        return 0
    paths = write(given.kind, given.to)
    print(*paths, sep="\n")
    print(f"next: {next_line(given.kind, given.to, paths)}")
    return 0


def cluster_check(given: Namespace) -> int:
    """List missing values and faults of cluster files."""
    from ablations.cluster_file.check import check

    return check(given.files, own=given.own)
