"""What should run on Ray Serve, below the state directory: bridged models and the attempts' applications.

A Ray cluster that was lost is brought back whole from it by the next deployment.
"""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from runtimes.bridges.lines import Line, line
from runtimes.ray_serve.bridging import BRIDGES, bridge
from turnout.domain.contract import Wire
from turnout.fabric import whole
from turnout.fabric.exclusive import exclusively
from turnout.fabric.state import State

_LOCK_SECONDS = 300.0


class Desired:
    """The files; `alone` gives them to one process at a time.

    Args:
        state: The state directory.
    """

    def __init__(self, state: State) -> None:
        """Keep where they are."""
        self._folder = state.work / "ray_serve"

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Alone with the files and with what is put on Serve."""
        with exclusively(self._folder / "lock", f"process {os.getpid()}", wait_seconds=_LOCK_SECONDS):
            yield

    def lines(self, wire: Wire) -> dict[str, Line]:
        """The models of a bridge."""
        file = self._table(wire)
        known = json.loads(file.read_text()) if file.is_file() else {}
        return {name: line(found) for name, found in known.items()}

    def keep_lines(self, wire: Wire, lines: dict[str, Line]) -> None:
        """Write the models of a bridge down."""
        whole.write(
            self._table(wire), json.dumps({name: one.model_dump(mode="json") for name, one in lines.items()})
        )

    def keep_application(self, config: dict[str, Any]) -> None:
        """Write an attempt's application down."""
        whole.write(self._application(config["name"]), json.dumps(config, indent=1))

    def drop_application(self, attempt: str) -> bool:
        """Forget an attempt's application; returns whether there was one."""
        there = self._application(attempt).is_file()
        self._application(attempt).unlink(missing_ok=True)
        return there

    def everything(self) -> list[dict[str, Any]]:
        """Every application that should run: those of the attempts, and the bridges that ever had a model."""
        files = sorted((self._folder / "applications").glob("*.json"))
        bridges = [bridge(wire, self.lines(wire)) for wire in BRIDGES if self._table(wire).is_file()]
        return [*(json.loads(file.read_text()) for file in files), *bridges]

    def _table(self, wire: Wire) -> Path:
        return self._folder / f"{BRIDGES[wire]['name']}.json"

    def _application(self, attempt: str) -> Path:
        return self._folder / "applications" / f"{attempt}.json"
