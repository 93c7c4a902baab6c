"""A simulation: reports made again and again from generated data, and how often each of them says something.

Every repetition has a generator of its own, from the name of the simulation and its number. So the rates are the same
for any number of processes.
"""

import math
import multiprocessing
import zlib
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache

import numpy as np

CHUNK = 25
REPEATS = 2000
"""The standard error of a rate of 5 % is then 0.49 points."""


@dataclass(frozen=True)
class Rate:
    """What is counted in each report, and the bounds of its share.

    Attributes:
        counted: What is counted, in words.
        low: Lowest share that passes, in percent. Above 0, it fails a test that no longer rejects at all.
        high: Highest share that passes, in percent.
        held: Whether the report promises this rate; False for a rate that is only shown, to warn or to compare.
    """

    counted: str
    low: float
    high: float
    held: bool = True


@dataclass(frozen=True)
class Simulation:
    """Reports from generated data.

    Attributes:
        name: Unique name, as docs/statistics.md shows it.
        one: Makes one report from a generator. For each rate it returns True or False, a share from 0 to 1, or None
            where this report has nothing to count.
        rates: What is counted, by the keys that `one` returns.
        repeats: Number of reports.
    """

    name: str
    one: Callable[[np.random.Generator], Mapping[str, float | None]]
    rates: Mapping[str, Rate]
    repeats: int = REPEATS


@dataclass(frozen=True)
class Found:
    """A simulated rate and its standard error, both in percent, from `n` reports."""

    percent: float
    error: float
    n: int


def generator(simulation: Simulation, repetition: int) -> np.random.Generator:
    """The generator of one repetition."""
    return np.random.default_rng([zlib.crc32(simulation.name.encode()), repetition])


def simulate(simulation: Simulation) -> dict[str, Found]:
    """All rates of a simulation, computed on all cores."""
    starts = range(0, simulation.repeats, CHUNK)
    chunks = [pool().submit(_repetitions, simulation, start) for start in starts]
    rows = [row for chunk in chunks for row in chunk.result()]
    return {key: share(row[key] for row in rows) for key in simulation.rates}


def share(values: Iterable[float | None]) -> Found:
    """Mean and standard error of the values that are not None, in percent; 0 of 0 without any."""
    kept = [float(v) for v in values if v is not None]
    if not kept:
        return Found(0.0, 0.0, 0)
    return Found(100 * float(np.mean(kept)), 100 * float(np.std(kept)) / math.sqrt(len(kept)), len(kept))


def _repetitions(simulation: Simulation, start: int) -> list[Mapping[str, float | None]]:
    stop = min(start + CHUNK, simulation.repeats)
    return [simulation.one(generator(simulation, i)) for i in range(start, stop)]


@cache
def pool() -> ProcessPoolExecutor:
    """One process for each core, started once; new processes, so that no thread of a test is copied."""
    return ProcessPoolExecutor(mp_context=multiprocessing.get_context("spawn"))
