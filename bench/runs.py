"""Runs of a benchmark on a cluster: written down one a line as they end, told in a page and a plot of all."""

import json
import sys
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from canary_site import say

from turnout.domain.errors import TurnoutError


def keep(results: Path, runs: Iterable[Any], told: Callable[[Any], str]) -> None:
    """Write each run down as it ends, and tell it; what goes wrong ends the program, said in one line.

    Args:
        results: Where they are kept, one a line.
        runs: Measures, run after run; each a dataclass.
        told: One line about a run.
    """
    try:
        for run in runs:
            say(told(run))
            with results.open("a") as file:
                file.write(f"{json.dumps(asdict(run))}\n")
    except TurnoutError as error:
        sys.exit(f"Error: {error}")


def draw(results: Path, kind: type, page: Callable[[list[Any]], str], plot: Callable[..., None]) -> None:
    """Make page and plot, beside the results, of every run that was written down.

    Args:
        results: Where they are kept.
        kind: The dataclass that a line is one of.
        page: Makes the page's text.
        plot: Draws into a file.
    """
    kept = [kind(**json.loads(line)) for line in results.read_text().splitlines()]
    results.with_suffix(".md").write_text(page(kept))
    plot(kept, results.with_suffix(".svg"))
