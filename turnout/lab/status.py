"""How the lab is: one row a server."""

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from turnout.fabric.board import Board
from turnout.fabric.processes import Processes, known
from turnout.fabric.state import State


@dataclass(frozen=True)
class Row:
    """One server of the lab as it is."""

    name: str
    state: str
    pid: int | None
    ports: tuple[int, ...]
    restarts: int
    url: str
    detail: str


def rows(root: Path) -> list[Row]:
    """Every server that should run, as it is.

    Raises:
        NotFoundError: There is no lab in the directory.
    """
    state = State(root.resolve())
    board, processes = Board(state), Processes(state)
    found = []
    for name in known(state):
        spec, status = board.spec(name), processes.status(name)
        ports = spec.ports if spec else ()
        url = _base(spec.ready_url) if spec and spec.ready_url else ""
        found.append(Row(name, status.state, status.pid, ports, status.restarts, url, status.detail))
    return found


def table(found: list[Row]) -> str:
    """Rows as text in columns."""
    head = ("PROCESS", "STATE", "PID", "PORT", "RESTARTS", "URL")
    lines = [head, *(_cells(row) for row in found)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def _cells(row: Row) -> tuple[str, ...]:
    port = str(row.ports[0]) if row.ports else "-"
    pid = str(row.pid) if row.pid else "-"
    return (row.name, row.state, pid, port, str(row.restarts), row.url or row.detail or "-")


def _base(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
