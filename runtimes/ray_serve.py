"""Ray Serve: here it holds the V1 bridge, one application for all models whose clients speak KServe V1.

Deployed declaratively through Serve's REST interface; the table of models below the state directory is what
should be, so that a Ray cluster that was lost is brought back whole by the next deployment.
"""

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from runtimes import Capabilities, Endpoint, Made, Source
from runtimes.bridges.bodies import Bridged
from runtimes.triton.config import served
from turnout.domain.contract import Contract, Wire
from turnout.domain.errors import InvalidInputError, TemporaryError, UnreachableError, UnsupportedError
from turnout.fabric import whole
from turnout.fabric.exclusive import exclusively
from turnout.fabric.state import State

APPLICATION = "bridge-v1"
IMPORT_PATH = "runtimes.bridges.v1:app"
ROUTE_PREFIX = "/v1/models"

READY_WITHIN_SECONDS = 120.0
"""Serve's controller, proxy and replica start in 15 s on an idle machine; loaded cores need a multiple."""

KEEP_ALIVE_SECONDS = 7200
"""Longer than any idle connection of the router: none closes with a request on its way."""

_LOCK_SECONDS = 180.0
_CALL_SECONDS = 60.0
_POLL_SECONDS = 0.25


class RayServe:
    """The runtime `ray_serve`.

    Args:
        state: The state directory.
        dashboard: URL of the Ray dashboard, which is also Serve's REST interface.
        proxy: URL of Serve's HTTP proxy.
    """

    name = "ray_serve"
    capabilities = Capabilities(formats=frozenset(), wires=frozenset({Wire.V1}))

    def __init__(self, state: State, *, dashboard: str, proxy: str) -> None:
        """Keep where things are; nothing is called."""
        self._folder = state.work / "bridge-v1"
        self._file = self._folder / "models.json"
        self._api = f"{dashboard.rstrip('/')}/api/serve/applications/"
        self._proxy = proxy.rstrip("/")

    def package(
        self,
        source: Source,
        directory: Path,  # noqa: ARG002 -- the signature of every runtime; a bridge holds no file
        say: Callable[[str], None],  # noqa: ARG002
    ) -> Made:
        """Refuse: a bridge holds no model.

        Raises:
            UnsupportedError: Always.
        """
        raise UnsupportedError(
            f"package of {source.contract.model}", observed="the runtime ray_serve",
            limit="a runtime that serves a file",
            remedy="Lay it out for triton; Ray Serve bridges the protocol in front of it.",
        )  # fmt: skip

    def deploy(self, attempt: str, contract: Contract, directory: Path | Endpoint) -> Endpoint:
        """Bring the bridge up in front of an endpoint for a model; harmless when it is so already.

        Raises:
            InvalidInputError: Not an endpoint with a gRPC port.
            UnreachableError: Ray's dashboard does not answer.
            TemporaryError: The bridge was not running in time.
        """
        line = _line(attempt, contract, directory)
        with self._table() as models:
            models[contract.model] = line
            self._apply(models)
        self._await_answer(contract.model)
        at = urlsplit(self._proxy)
        return Endpoint(host=at.hostname or "127.0.0.1", port=at.port or 80)

    def undeploy(self, attempt: str) -> None:
        """Take the attempt's model out of the bridge; harmless when the model is another attempt's by now."""
        with self._table() as models:
            for name in [name for name, line in models.items() if line.attempt == attempt]:
                del models[name]
                self._apply(models)

    @contextmanager
    def _table(self) -> Iterator[dict[str, Bridged]]:
        """The models that should be bridged, alone with them."""
        with exclusively(self._folder / "lock", f"process {os.getpid()}", wait_seconds=_LOCK_SECONDS):
            known = json.loads(self._file.read_text()) if self._file.is_file() else {}
            yield {name: Bridged.model_validate(line) for name, line in known.items()}

    def _apply(self, models: dict[str, Bridged]) -> None:
        """Write down what should be, then put it beside whatever else is deployed there, and wait for it."""
        whole.write(
            self._file, json.dumps({name: line.model_dump(mode="json") for name, line in models.items()})
        )
        running = self._call("GET")
        wanted = _application(models)
        there = running["applications"].get(APPLICATION)
        if not there or there["status"] != "RUNNING" or not _same(there["deployed_app_config"], wanted):
            self._call("PUT", json=_config(running, wanted, urlsplit(self._proxy)))
            self._await_running()

    def _await_running(self) -> None:
        deadline = time.monotonic() + READY_WITHIN_SECONDS
        seen: dict[str, Any] = {}
        while time.monotonic() < deadline:
            seen = self._call("GET")["applications"].get(APPLICATION) or {}
            if seen.get("status") == "RUNNING":
                return
            time.sleep(_POLL_SECONDS)
        raise _late(f"it is {seen.get('status', 'not known')}: {seen.get('message', '')}")

    def _await_answer(self, model: str) -> None:
        """Wait until the bridge says that the model is ready: it has the table, and reaches the runtime."""
        deadline = time.monotonic() + READY_WITHIN_SECONDS
        answer = "nothing"
        while time.monotonic() < deadline:
            try:
                found = httpx.get(f"{self._proxy}{ROUTE_PREFIX}/{model}", timeout=10.0, trust_env=False)
            except httpx.TransportError as error:
                answer = str(error) or type(error).__name__
            else:
                if found.status_code == httpx.codes.OK:
                    return
                answer = f"{found.status_code} {found.text[:200]}"
            time.sleep(_POLL_SECONDS)
        raise _late(f"it answers {answer} for {model}")

    def _call(self, method: str, **content: Any) -> dict[str, Any]:
        try:
            answer = httpx.request(method, self._api, timeout=_CALL_SECONDS, trust_env=False, **content)
            answer.raise_for_status()
        except httpx.HTTPError as error:
            body = error.response.text[:300] if isinstance(error, httpx.HTTPStatusError) else ""
            raise UnreachableError(
                f"Ray at {self._api}", observed=f"{type(error).__name__}: {error} {body}".strip(),
                limit="Serve's REST interface", remedy="See that the Ray cluster runs (turnout lab status).",
            ) from error  # fmt: skip
        found: dict[str, Any] = answer.json() if method == "GET" else {}
        return found


def _line(attempt: str, contract: Contract, at: Path | Endpoint) -> Bridged:
    if not isinstance(at, Endpoint) or at.grpc_port is None:
        raise InvalidInputError(
            f"bridge for {attempt}", observed=str(at), limit="an endpoint with a gRPC port",
            remedy="Deploy the model on triton first.",
        )  # fmt: skip
    return Bridged(
        attempt=attempt,
        address=f"{at.host}:{at.grpc_port}",
        model=contract.model,
        input=served(contract.inputs[0], contract.wire),
        output=contract.outputs[0],
        timeout_seconds=contract.policy.try_seconds,
    )


def _application(models: dict[str, Bridged]) -> dict[str, Any]:
    table = {name: models[name].model_dump(mode="json") for name in sorted(models)}
    return {
        "name": APPLICATION,
        "route_prefix": ROUTE_PREFIX,
        "import_path": IMPORT_PATH,
        "deployments": [{"name": "Bridge", "user_config": {"models": table}}],
    }


def _same(deployed: dict[str, Any] | None, wanted: dict[str, Any]) -> bool:
    if deployed is None:
        return False
    tables = [config["deployments"][0].get("user_config") for config in (deployed, wanted)]
    return bool(tables[0] == tables[1] and deployed["import_path"] == wanted["import_path"])


def _config(running: dict[str, Any], wanted: dict[str, Any], proxy: Any) -> dict[str, Any]:
    """The whole of what Serve should run: its options as they are, other applications as they are."""
    others = [
        app["deployed_app_config"]
        for name, app in running["applications"].items()
        if name != APPLICATION and app["deployed_app_config"]
    ]
    started = {"host": proxy.hostname, "port": proxy.port, "keep_alive_timeout_s": KEEP_ALIVE_SECONDS}
    return {
        "proxy_location": running.get("proxy_location") or "HeadOnly",
        "http_options": running.get("http_options") or started,
        "applications": [*others, wanted],
    }


def _late(observed: str) -> TemporaryError:
    return TemporaryError(
        f"Ray Serve application {APPLICATION}",
        observed=observed,
        limit=f"RUNNING and answering within {READY_WITHIN_SECONDS:.0f} s",
        remedy="See Serve's page on the Ray dashboard and the lab's log of Ray.",
    )
