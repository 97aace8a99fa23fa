"""What `turnout lab drills` does: choose drills, run them, say what came of them, write the page's table."""

import fnmatch
from pathlib import Path

import click

from turnout.domain.errors import InvalidInputError, NotFoundError
from turnout.fabric import whole
from turnout.lab.aside import set_aside
from turnout.lab.drills import campaign, drill, table
from turnout.lab.drills.drill import Drill
from turnout.lab.drills.observed import Result


def chosen(*, short: bool, patterns: tuple[str, ...]) -> tuple[Drill, ...]:
    """The drills that are asked for.

    Args:
        short: A few of each kind instead of all.
        patterns: Names, `*` matches anything; none: all.

    Raises:
        InvalidInputError: A name that no drill has.
    """
    known = drill.short() if short else drill.full()
    for pattern in patterns:
        if not fnmatch.filter([one.name for one in known], pattern):
            raise InvalidInputError(
                f"--only {pattern}", observed="no such drill", limit="for example kill-envoy-canary",
                remedy="See: turnout lab drills --list",
            )  # fmt: skip
    return tuple(o for o in known if not patterns or any(fnmatch.fnmatch(o.name, p) for p in patterns))


def run(folder: Path, wanted: tuple[Drill, ...]) -> int:
    """Run drills and say what came of them.

    Returns:
        0 when every drill was run or had to be skipped, and every promise was kept; else 1.
    """
    folder.mkdir(parents=True, exist_ok=True)
    set_aside(folder / "state")
    came = campaign.run(folder, wanted)
    for one in came.results:
        for line in one.broken:
            click.echo(f"BROKEN: {one.seen.drill} ({one.seen.attempt}): {line}")
    for name in came.left:
        click.echo(f"NOT DONE: {name}: there was no time or no occasion for it")
    for line in came.stray:
        click.echo(f"BROKEN: outside every drill a request failed: {line}")
    failures = sum(len(one.seen.failures) for one in came.results)
    broken = sum(bool(one.broken) for one in came.results)
    click.echo(
        f"{len(came.results)} drills, {broken} broke a promise; {failures} requests failed in them "
        f"(each with no server there to answer it, unless said above)\n{folder / 'drills.jsonl'}"
    )
    return 1 if broken or came.left or came.stray or not came.results else 0


def write_table(page: Path, results: Path) -> None:
    """Write the table of results in a page, between its markers.

    Raises:
        NotFoundError: There are no results, or the page has no markers.
    """
    if not results.is_file():
        raise NotFoundError(
            str(results), observed="no such file", limit="the results of drills", remedy="Run: make drills"
        )
    found = [Result.model_validate_json(line) for line in results.read_text().splitlines()]
    whole.write(page, table.inserted(page.read_text(), table.rendered(found)))
