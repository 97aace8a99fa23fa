"""The file of captured exchanges of each model: one JSON object a line, the newest ones only."""

import base64
from pathlib import Path
from typing import Any

from turnout.fabric.state import State
from turnout.services.lines import Lines
from turnout.services.shadow.exchange import Exchange

NEWEST_LINES = 5_000
"""Lines kept a model: over four minutes at 20 requests a second, many times what a golden set needs."""

KEPT_AT_A_CUT = 0.9
"""Share of the lines kept when the file is full, so that it is rewritten every few hundred lines only."""


class Captures:
    """Writes captures; the only writer of these files.

    Args:
        state: Where they are.
        newest_lines: No file ever holds more lines than these.
    """

    def __init__(self, state: State, *, newest_lines: int = NEWEST_LINES) -> None:
        """Begin with what the files hold."""
        self._state = state
        self._newest_lines = newest_lines
        self._lines = Lines()
        self._held: dict[str, int] = {}

    def keep(self, exchange: Exchange) -> None:
        """Append one exchange.

        Raises:
            OSError: The disk is full or not writable.
        """
        model = exchange.origin.model
        file = self._state.captures(model)
        if model not in self._held:
            self._held[model] = _count(file)
        if self._held[model] >= self._newest_lines:
            self._held[model] = _cut(file, int(self._newest_lines * KEPT_AT_A_CUT))
        self._lines.append(file, as_line(exchange))
        self._held[model] += 1


def as_line(exchange: Exchange) -> dict[str, Any]:
    """What stands in a line: bodies as text, or base64 where they are not UTF-8 (`..._base64` says which)."""
    request, request_base64 = _text(exchange.request)
    response, response_base64 = _text(exchange.response)
    return {
        "at": exchange.started_seconds,
        "model": exchange.origin.model,
        "arm": exchange.origin.arm.value,
        "attempt": exchange.origin.attempt,
        "answered_by": exchange.origin.answered_by.value if exchange.origin.answered_by else None,
        "method": exchange.method,
        "path": exchange.path,
        "headers": dict(exchange.headers),
        "request": request,
        "request_base64": request_base64,
        "response": response,
        "response_base64": response_base64,
        "status": exchange.status,
        "duration_seconds": round(exchange.duration_seconds, 6),
    }


def _text(body: bytes) -> tuple[str, bool]:
    try:
        return body.decode("utf-8"), False
    except UnicodeDecodeError:
        return base64.b64encode(body).decode("ascii"), True


def _count(file: Path) -> int:
    return file.read_bytes().count(b"\n") if file.exists() else 0


def _cut(file: Path, lines: int) -> int:
    """Keep only the newest lines, by a rename: a reader has the old file or the new one, never half of it."""
    newest = file.read_bytes().splitlines(keepends=True)[-lines:]
    staged = file.with_suffix(".tmp")
    staged.write_bytes(b"".join(newest))
    staged.replace(file)
    return len(newest)
