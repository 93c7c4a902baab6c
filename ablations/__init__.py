"""Ablation studies as data: declare a study, run it on Ray Tune, and keep one record per trial.

A study compares arms over seeds. The same seeds in every arm make the comparison paired:

>>> from ablations import Study
>>> study = Study(
...     question="Does the silhouette term help on digits?",
...     factors={"lambda_sil": (0.0, 0.2)},
...     fixed={"dataset": "digits", "epochs": 20},
...     baseline={"lambda_sil": 0.0},
...     seeds=range(5),
... )
>>> [arm.label for arm in study.arms]
['λ=0', 'λ=0.2']
>>> len(list(study.trials()))
10

`run_study(study, RunOptions(results="results"))` trains what has no record yet. Names are imported when they are first
used, so that `import ablations` is fast and imports neither torch, Ray, MLflow nor Matplotlib.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ablations.design.families import Family
    from ablations.design.loading import load_study
    from ablations.design.study import Study
    from ablations.design.tuning import Tuning
    from ablations.driver.options import RunOptions
    from ablations.errors import StudyError
    from silhouette.config import crossed

__all__ = ["Family", "RunOptions", "Study", "StudyError", "Tuning", "crossed", "load_study", "run_study"]

_HOMES = {
    "Family": "ablations.design.families",
    "RunOptions": "ablations.driver.options",
    "Study": "ablations.design.study",
    "StudyError": "ablations.errors",
    "Tuning": "ablations.design.tuning",
    "crossed": "silhouette.config",
    "load_study": "ablations.design.loading",
}


def run_study(study: Study, options: RunOptions | None = None) -> int:
    """Run every trial of a study that has no record yet.

    A study is started again with the same call after anything: an interruption, a crash, more seeds, another arm.

    Args:
        study: The question, its arms and its seeds. Its `name` names the folder below the results.
        options: How to run; by default one CPU for each trial, on this machine, with results in `results`.

    Returns:
        0 if every planned trial has a complete record, 1 if some have not, 128 + signal number if interrupted.

    Raises:
        StudyError: If the study, an option or the results folder cannot be used; the message is one line.

    >>> from ablations import RunOptions, load_study, run_study
    >>> run_study(load_study("demo"), RunOptions(cpus=0))
    Traceback (most recent call last):
    ablations.errors.StudyError: cpus: must be at least 1, got 0
    """
    from ablations.cluster.session import prepare
    from ablations.driver.options import RunOptions
    from silhouette.errors import InputError, as_argument

    options = options or RunOptions()
    study = study.replaced()  # checks it as one from a file
    prepare(options.address)  # before Ray is imported
    from ablations.driver.run import run_study as run

    try:
        return run(study, options)
    except InputError as error:
        raise error if options.command else type(error)(as_argument(str(error))) from None


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'ablations' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
