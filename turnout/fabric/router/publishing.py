"""The files that tell Envoy of listeners and clusters, rendered from the models' folders.

Anybody may publish at any time: the files are a function of the folders, written under a lock.
"""

import json
from pathlib import Path
from typing import Any

from turnout.domain.errors import NotFoundError
from turnout.domain.route import Backend, Opening, Registration
from turnout.fabric import whole
from turnout.fabric.exclusive import locked
from turnout.fabric.router import envoy_config
from turnout.fabric.router.directory import Life, RouteDirectory
from turnout.fabric.router.ending import REGISTRATION, models
from turnout.fabric.router.refusals import unknown
from turnout.fabric.state import State

OPENING = "opening.json"
_SENTINEL = "sentinel.json"


class Publisher:
    """Writes `cds.json` and `lds.json`.

    Args:
        state: The state directory.
    """

    def __init__(self, state: State) -> None:
        """Keep where the files are; nothing is touched."""
        self._state = state

    def guard_at(self, sentinel: Backend) -> None:
        """Set where candidates are health-checked."""
        whole.write(self._state.envoy / _SENTINEL, sentinel.model_dump_json())

    def publish(self) -> None:
        """Render listeners and clusters anew, and write what has changed.

        Raises:
            NotFoundError: The router was never prepared.
        """
        with locked(self._state.envoy / "lock"):  # for milliseconds
            registered = [self.registration(model) for model in self.models()]
            openings = [one for each in registered for one in self._openings(each.model)]
            clusters = envoy_config.clusters(registered, openings, sentinel=self._sentinel())
            # Clusters first: a listener's routes name them.
            self._write("cds.json", clusters)
            self._write("lds.json", self._listeners(registered))

    def published(self, name: str) -> str:
        """Version of `cds.json` or `lds.json` as it stands."""
        return str(json.loads((self._state.envoy / name).read_bytes())["version_info"])

    def models(self) -> list[str]:
        """Names of the registered models."""
        return models(self._state.routes)

    def registration(self, model: str) -> Registration:
        """A model as it was registered.

        Raises:
            NotFoundError: It was not.
        """
        try:
            return Registration.model_validate_json((self._state.routes / model / REGISTRATION).read_bytes())
        except FileNotFoundError as error:
            raise unknown(model, self.models()) from error

    def opening(self, model: str, attempt: str) -> Opening:
        """An attempt as it was opened."""
        file = RouteDirectory(self._state.routes / model).attempt(attempt) / OPENING
        return Opening.model_validate_json(file.read_bytes())

    def _openings(self, model: str) -> list[Opening]:
        """Attempts whose clusters Envoy should hold: all that may live, and the last that ended.

        That one may still have requests on their way, and stays until the end of the next attempt.
        """
        directory = RouteDirectory(self._state.routes / model)
        known = [one for one in directory.attempts() if (directory.attempt(one) / OPENING).exists()]
        ended = [one for one in known if directory.life(one) is Life.ENDED]
        return [self.opening(model, one) for one in known if one not in ended[:-1]]

    def _sentinel(self) -> Backend:
        try:
            return Backend.model_validate_json((self._state.envoy / _SENTINEL).read_bytes())
        except FileNotFoundError as error:
            raise NotFoundError(
                f"router in {self._state.envoy}",
                observed="never prepared",
                limit="a bootstrap and the sentinel's address",
                remedy="Start the lab (turnout lab up).",
            ) from error

    def _listeners(self, registered: list[Registration]) -> dict[str, Any]:
        access = self._state.access_log("any").parent
        access.mkdir(parents=True, exist_ok=True)
        return envoy_config.listeners(registered, routes=self._state.routes, access=access)

    def _write(self, name: str, document: dict[str, Any]) -> None:
        file: Path = self._state.envoy / name
        if not file.exists() or self.published(name) != document["version_info"]:
            whole.write(file, json.dumps(document, indent=1))
