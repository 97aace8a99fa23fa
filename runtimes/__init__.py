"""One module a serving runtime: what it can serve, how a package is laid out for it, how it is called.

Called by `tasks`; each runtime passes the same contract tests against its real server.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from pydantic import BaseModel, ConfigDict

from turnout.domain.contract import Contract, Wire
from turnout.domain.package import ExternalFiles
from turnout.domain.workload import Workload


class Capabilities(BaseModel):
    """What a runtime can serve, declared; anything else is an UnsupportedError.

    Attributes:
        formats: Model formats it serves as they are in a package (onnx, python, ...).
        wires: Client protocols it speaks itself.
    """

    model_config = ConfigDict(frozen=True)

    formats: frozenset[str]
    wires: frozenset[Wire]


class Endpoint(BaseModel):
    """Where a deployed model is called.

    Attributes:
        host: Address.
        port: TCP port of the client protocol.
        grpc_port: TCP port of gRPC, where there is one.
    """

    model_config = ConfigDict(frozen=True)

    host: str
    port: int
    grpc_port: int | None = None


@dataclass(frozen=True)
class Source:
    """What a package is made from.

    Attributes:
        contract: The contract.
        workload: The model as found.
        path: Its file or folder, as legacy loads it.
        requests: Parsed bodies of the golden requests.
        requests_per_second: What production sends, by the baseline; None: unknown.
        members: For a graph, each model that it calls and where that lies, by the name of its service.
    """

    contract: Contract
    workload: Workload
    path: Path
    requests: list[Any]
    requests_per_second: float | None = None
    members: Mapping[str, tuple[Workload, Path]] = field(default_factory=dict)


@dataclass(frozen=True)
class Made:
    """A package's files laid out, and what is known of them.

    Attributes:
        config: What the runtime is started with (`runtime_config` of the package).
        answers: The answer that a client would get to each golden request from what was laid out; None where
            the model is served as it is, and its first proof is the shadow test.
        found: What was found in the model file, for people.
        measurements: What making it showed, as JSON values.
        external: Large files that the package names and the registry does not hold
            (`turnout.fabric.registry.external.describe`).
    """

    config: dict[str, Any]
    answers: list[Any] | None
    found: str
    measurements: dict[str, Any] = field(default_factory=dict)
    external: tuple[ExternalFiles, ...] = ()


class Runtime(Protocol):
    """A serving runtime."""

    name: str
    capabilities: Capabilities

    def package(self, source: Source, directory: Path, say: Callable[[str], None]) -> Made:
        """Lay a model out as this runtime wants it, below `directory`, converted where that is needed.

        Model files are opened in a runtime's own environment, never in this process.

        Raises:
            UnsupportedError: The runtime cannot serve such a model.
            InvalidInputError: The model does not load.
        """

    def deploy(self, attempt: str, contract: Contract, directory: Path | Endpoint) -> Endpoint:
        """Bring up what serves a package directory (or stands in front of an endpoint, for a bridge).

        Ready means started, not proved: `tasks.deploy` sends a real inference. Harmless when it is up.
        """

    def undeploy(self, attempt: str) -> None:
        """Take down what an attempt deployed; harmless when there is nothing."""
