"""The way back, with nothing but the standard library: nothing slow is loaded before the traffic moves."""

import contextlib
import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from turnout.fabric import whole
from turnout.fabric.router.directory import Life, RouteDirectory
from turnout.fabric.router.naming import check_attempt, check_model
from turnout.fabric.router.refusals import unknown

REGISTRATION = "registration.json"
HISTORY = "history.jsonl"
_REASON_CHARACTERS = 1000
_NAME_CHARACTERS = 100


@dataclass(frozen=True)
class Epitaph:
    """What is written on a tombstone; the fields of `turnout.domain.route.Tombstone`."""

    model: str
    attempt: str
    reason: str
    by: str
    at_seconds: float


def models(routes: Path) -> list[str]:
    """Names of the registered models."""
    return sorted(file.parent.name for file in routes.glob(f"[!.]*/{REGISTRATION}"))


def directory_of(routes: Path, model: str) -> RouteDirectory:
    """The folder of a registered model.

    Raises:
        InvalidInputError: It is not a name.
        NotFoundError: No such model.
    """
    folder = routes / check_model(model)
    if not (folder / REGISTRATION).exists():
        raise unknown(model, models(routes))
    return RouteDirectory(folder)


def stable(directory: RouteDirectory) -> str:
    """Name of the servers that have all of a model's traffic when no attempt is live; empty: unreadable."""
    with contextlib.suppress(OSError, ValueError, KeyError):
        return str(json.loads((directory.folder / REGISTRATION).read_text())["stable"]["name"])
    return ""


def unfinished(directory: RouteDirectory) -> list[str]:
    """Attempts that are live or could still be opened; the live one first."""
    lives = {one: directory.life(one) for one in directory.attempts()}
    return sorted(
        (one for one in lives if lives[one] is not Life.ENDED), key=lambda one: lives[one] is not Life.LIVE
    )


def end(directory: RouteDirectory, attempt: str, *, reason: str, by: str) -> Epitaph:
    """Send everything to legacy and end an attempt for good; see `Router.roll_back`. Waits for nobody.

    Args:
        directory: The model's folder.
        attempt: The attempt.
        reason: Why; cut to 1,000 characters.
        by: Who.

    Returns:
        What the attempt's tombstone says: the words of whoever came first.

    Raises:
        RefusedError: The attempt was never prepared, and the disk has no room to forbid it.
    """
    model = directory.folder.name
    check_attempt(model, attempt)
    ours = Epitaph(model, attempt, reason[:_REASON_CHARACTERS], by[:_NAME_CHARACTERS], time.time())
    try:
        has_ended = directory.end(attempt, json.dumps(asdict(ours)).encode())
    except OSError as error:
        if whole.is_full(error):
            raise whole.full(directory.folder) from error
        raise
    if has_ended:
        remember(
            directory, "roll_back", version_of(directory.document()), attempt=attempt, reason=reason, by=by
        )
    return epitaph(directory, attempt) or ours


def epitaph(directory: RouteDirectory, attempt: str) -> Epitaph | None:
    """What an attempt's tombstone says; None where the reason could not be written, or is being written."""
    with contextlib.suppress(ValueError, TypeError):
        return Epitaph(**json.loads(directory.epitaph(attempt) or b""))
    return None


def version_of(document: bytes) -> str:
    """Version of a route's document, as the router reports it."""
    return str(json.loads(document)["version_info"])


def remember(directory: RouteDirectory, event: str, version: str, **more: Any) -> None:
    """Append to the model's history, best effort: the files are the truth, this is for people."""
    line = {
        "at_seconds": time.time(),
        "event": event,
        "version": version,
        "attempt": None,
        "weight": 0.0,
        "capture_share": 0.0,
        "by": "",
        "reason": "",
        **more,
    }
    with contextlib.suppress(OSError), (directory.folder / HISTORY).open("a") as file:
        file.write(json.dumps(line) + "\n")
