"""The tables of docs/statistics.md: `python -m tests.analysis.rates.table` runs every simulation and prints them."""

import argparse
import re
from dataclasses import replace
from pathlib import Path

from tests.analysis.rates.catalogue import GROUPS
from tests.analysis.rates.simulation import Found, Rate, Simulation, simulate

PAGE = Path(__file__).parents[3] / "docs/statistics.md"
HEAD = "| simulated | counted | must lie within | found | reports |\n|---|---|---|---|---|"


def row(simulation: Simulation, rate: Rate, found: Found) -> str:
    """One line of a table."""
    percent = f"**{found.percent:.1f} %** ± {found.error:.1f}"
    return f"{key(simulation, rate)} {limits(rate)} | {percent} | {found.n:,} |"


def key(simulation: Simulation, rate: Rate) -> str:
    """The start of a line, by which it is found again."""
    return f"| {simulation.name} | {rate.counted} |"


def limits(rate: Rate) -> str:
    """The bounds, in words: a rate that is only shown is marked as not held."""
    bounds = f"{rate.low:g} %" if rate.low == rate.high else f"{rate.low:g} to {rate.high:g} %"
    return bounds if rate.held else f"not held ({bounds})"


def shown_rates() -> dict[str, float]:
    """The rates in percent that docs/statistics.md shows, by the start of their line."""
    line = re.compile(r"^(\| [^|]+ \| [^|]+ \|) [^|]+ \| \*\*([\d.]+) %\*\*", re.M)
    return {start: float(found) for start, found in line.findall(PAGE.read_text(encoding="utf-8"))}


def main() -> None:
    """Run the simulations and print a table for each group."""
    parser = argparse.ArgumentParser(prog="python -m tests.analysis.rates.table", description=__doc__)
    parser.add_argument("words", nargs="*", help="only simulations whose heading or name has one of these words")
    parser.add_argument("--reports", type=int, help="fewer reports for each, for a quick look")
    options = parser.parse_args()
    for heading, simulations in GROUPS.items():
        wanted = [
            s for s in simulations if not options.words or any(w in f"{heading}: {s.name}" for w in options.words)
        ]
        if wanted:
            print(f"\n### {heading}\n\n{HEAD}")
        for simulation in wanted:
            print_rates(replace(simulation, repeats=options.reports or simulation.repeats))


def print_rates(simulation: Simulation) -> None:
    """Run one simulation and print its lines."""
    found = simulate(simulation)
    for name, rate in simulation.rates.items():
        print(row(simulation, rate, found[name]), flush=True)


if __name__ == "__main__":
    main()
