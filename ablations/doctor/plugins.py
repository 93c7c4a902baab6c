"""Check of what a study uses of a person's own, on this machine."""

from __future__ import annotations

from collections.abc import Iterator

from ablations.design.plugins import check_own_code
from ablations.design.study import Study
from ablations.finding import Finding
from silhouette.registry import plugins_of


def plugins(study: Study, *, here: bool) -> Iterator[Finding]:
    """Call each part of a study's own once, then name its version and source.

    Args:
        study: The study.
        here: Whether this machine trains, so that the data of an own data set must be on it.

    Raises:
        silhouette.errors.InputError: One line for the first fault.
    """
    check_own_code(study.start_arms, study.tuning, here=here)
    for name, plugin in plugins_of(study.plugins).items():
        yield Finding("ok", "plugin", f"{name}: {plugin['version'] or 'no version'}, source {plugin['source_sha256']}")
    if not study.plugins:
        yield Finding("ok", "plugin", f"{study.name} uses nothing of your own")
