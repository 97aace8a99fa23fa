"""The registry's aliases, moved at cutover and moved back when an attempt ends."""

from tasks import step
from turnout.domain import aliases
from turnout.domain.aliases import Aliases
from turnout.wiring.migrating import Wiring, current


@step(name="promote package", task_run_name="{attempt}")
def promote(model: str, attempt: str) -> Aliases:
    """Let the registry say that an attempt's package serves, and what served before it.

    Raises:
        TemporaryError: The registry does not answer.
    """
    return _move(current(), model, attempt, back=False)


@step(name="take package back", task_run_name="{attempt}")
def take_package_back(model: str, attempt: str) -> Aliases:
    """Let the registry say that an attempt's package neither serves nor is the candidate any more.

    What served before serves again; harmless where the attempt had come to nothing.

    Raises:
        TemporaryError: The registry does not answer.
    """
    return _move(current(), model, attempt, back=True)


def _move(wiring: Wiring, model: str, attempt: str, *, back: bool) -> Aliases:
    version = wiring.attempts.get(attempt).package
    known = _known(wiring, model)
    if version is None:
        return known
    for one in (aliases.taken_back if back else aliases.promoted)(known, version):
        wiring.packages.mark(model, one.alias, one.version)
    return _known(wiring, model)


def _known(wiring: Wiring, model: str) -> Aliases:
    found = {
        alias: wiring.packages.marked(model, alias)
        for alias in (aliases.SERVING, aliases.CANDIDATE, aliases.PREVIOUS)
    }
    return Aliases(**{alias: package.version if package else None for alias, package in found.items()})
