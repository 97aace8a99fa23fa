"""Ray Serve: Python models, compositions of models, and the bridges that speak the clients' protocols.

One application an attempt, side by side with those of other attempts; requests reach it through the bridge of
the clients' protocol, which knows by its table whose turn it is. Deployed declaratively through Serve's REST
interface; what should run is kept below the state directory.
"""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from runtimes import Capabilities, Endpoint, Made, Source, wire
from runtimes.bridges.bodies import to_tensors
from runtimes.bridges.lines import Line
from runtimes.ray_serve import packaging, proving
from runtimes.ray_serve.bridging import BRIDGES, bridged, handled, speaks
from runtimes.ray_serve.desired import Desired
from runtimes.ray_serve.interface import READY_WITHIN_SECONDS, Serve, late
from turnout.domain.contract import Contract, Wire
from turnout.domain.errors import InvalidInputError
from turnout.domain.evidence import digest_of
from turnout.fabric.state import State

_POLL_SECONDS = 0.25


def _locked_environment(name: str) -> Path:
    from turnout.fabric.environments import ensure  # noqa: PLC0415 -- only packages and deployments need it

    return ensure(name)


class RayServe:
    """The runtime `ray_serve`.

    Args:
        state: The state directory.
        dashboard: URL of the Ray dashboard, which is also Serve's REST interface.
        proxy: URL of Serve's HTTP proxy.
        environment: Gives the directory of a locked environment by its name.
    """

    name = "ray_serve"
    capabilities = Capabilities(
        formats=frozenset({"sklearn", "python", "graph"}), wires=frozenset({Wire.V1, Wire.V2})
    )

    def __init__(
        self,
        state: State,
        *,
        dashboard: str,
        proxy: str,
        environment: Callable[[str], Path] = _locked_environment,
    ) -> None:
        """Keep where things are; nothing is called."""
        self._desired = Desired(state)
        self._serve = Serve(dashboard=dashboard, proxy=proxy)
        self._environment = environment

    def package(self, source: Source, directory: Path, say: Callable[[str], None]) -> Made:
        """Lay a Python model or a graph out, and let the package's own code answer the golden requests.

        Raises:
            UnsupportedError: Not a framework, a graph or a protocol that is served here.
            InvalidInputError: Code or model do not load, or fail on a request.
        """
        contract = source.contract
        speaks(contract)
        config = packaging.lay_out(source, directory)
        say(f"{contract.model}: proving its code in the environment {packaging.ENVIRONMENT}")
        bodies = [_v1_body(contract, request) for request in source.requests]
        environment = self._environment(packaging.ENVIRONMENT)
        answers = proving.answers(environment, directory, bodies, subject=f"model {contract.model}")
        return Made(
            config=config,
            answers=[_answer(contract, answer) for answer in answers],
            found=f"{source.workload.framework} in Python",
            measurements={"untranslated": packaging.untranslated(source)},
        )

    def deploy(self, attempt: str, contract: Contract, directory: Path | Endpoint) -> Endpoint:
        """Bring up a package's application behind the bridge, or the bridge alone in front of an endpoint.

        Harmless when it is so already.

        Raises:
            InvalidInputError: An endpoint without a gRPC port, or not a package for Ray Serve.
            UnreachableError: Ray's dashboard does not answer.
            TemporaryError: Application or bridge were not running in time.
        """
        speaks(contract)
        if isinstance(directory, Endpoint):
            line: Line = bridged(attempt, contract, directory)
        else:
            line = handled(attempt, contract)
        with self._desired.alone():
            if not isinstance(directory, Endpoint):
                self._desired.keep_application(self._application(attempt, directory))
            lines = self._desired.lines(contract.wire) | {contract.model: line}
            self._desired.keep_lines(contract.wire, lines)
            self._apply({attempt, BRIDGES[contract.wire]["name"]})
        self._await_answer(contract)
        at = urlsplit(self._serve.proxy)
        return Endpoint(host=at.hostname or "127.0.0.1", port=at.port or 80)

    def undeploy(self, attempt: str) -> None:
        """Take the attempt's application down, and its model out of the bridges.

        Harmless when there is nothing, and when the model is another attempt's by now.
        """
        with self._desired.alone():
            changed = {BRIDGES[wire]["name"] for wire in BRIDGES if self._take_out(wire, attempt)}
            if self._desired.drop_application(attempt) or changed:
                self._apply(changed, gone={attempt})

    def applications(self) -> dict[str, Any]:
        """Every application by name, with its deployments and their replicas, as Serve tells it."""
        found: dict[str, Any] = self._serve.call("GET")["applications"]
        return found

    def _take_out(self, wire: Wire, attempt: str) -> bool:
        lines = self._desired.lines(wire)
        left = {name: line for name, line in lines.items() if line.attempt != attempt}
        if left != lines:
            self._desired.keep_lines(wire, left)
        return left != lines

    def _apply(self, awaited: set[str], gone: set[str] | None = None) -> None:
        self._serve.apply(self._desired.everything(), awaited=awaited, gone=gone or set())

    def _application(self, attempt: str, directory: Path) -> dict[str, Any]:
        """An attempt's application as a Serve config writes it; clients reach it through a bridge alone."""
        file = directory / "serve.json"
        if not file.is_file():
            raise InvalidInputError(
                f"application of {attempt}", observed=f"no {file}", limit="a package for ray_serve",
                remedy="Package the model again.",
            )  # fmt: skip
        config = json.loads(file.read_text())
        python = self._environment(config["environment"]) / "bin" / "python"
        root = directory.resolve()
        return {
            "name": attempt,
            "route_prefix": None,
            "import_path": config["import_path"],
            "args": {"root": str(root), "digest": digest_of(config)},
            "runtime_env": {
                "working_dir": f"local://{root / config['code']}",
                "py_executable": str(python),
                "env_vars": {"PYTHONDONTWRITEBYTECODE": "1"},  # a package stays as its digests say
            },
            "deployments": config["deployments"],
        }

    def _await_answer(self, contract: Contract) -> None:
        """Wait until the bridge says that the model is ready: it has the table, and reaches its runtime."""
        deadline = time.monotonic() + READY_WITHIN_SECONDS
        answer = "nothing"
        while time.monotonic() < deadline:
            try:
                url = f"{self._serve.proxy}{wire.ready_path(contract)}"
                found = httpx.get(url, timeout=10.0, trust_env=False)
            except httpx.TransportError as error:
                answer = str(error) or type(error).__name__
            else:
                if found.status_code == httpx.codes.OK:
                    return
                answer = f"{found.status_code} {found.text[:200]}"
            time.sleep(_POLL_SECONDS)
        raise late(BRIDGES[contract.wire]["name"], f"it answers {answer} for {contract.model}")


def _v1_body(contract: Contract, request: Any) -> dict[str, Any]:
    """What the bridge would hand to the application."""
    if contract.wire is Wire.V1 and isinstance(request, dict):
        return request
    return {"instances": wire.input_of(contract, request)}


def _answer(contract: Contract, answer: dict[str, Any]) -> dict[str, Any]:
    """What the bridge would make of the application's answer."""
    if contract.wire is Wire.V1:
        return answer
    return to_tensors(contract.model, answer["predictions"], contract.outputs[0])
