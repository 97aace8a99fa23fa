"""One module a serving runtime: what it can serve, how a package is laid out for it, how it is called.

Called by `tasks`; each runtime passes the same contract tests against its real server.
"""

from pathlib import Path
from typing import Any, Protocol

from pydantic import BaseModel, ConfigDict

from turnout.domain.contract import Contract, Wire


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


class Runtime(Protocol):
    """A serving runtime."""

    name: str
    capabilities: Capabilities

    def lay_out(self, model_file: Path, contract: Contract, directory: Path) -> dict[str, Any]:
        """Lay a model file out as this runtime wants it, below `directory`; return the configuration."""

    def deploy(self, attempt: str, contract: Contract, directory: Path | Endpoint) -> Endpoint:
        """Bring up what serves a package directory (or stands in front of an endpoint, for a bridge).

        Ready means started, not proved: `tasks.deploy` sends a real inference. Harmless when it is up.
        """

    def undeploy(self, attempt: str) -> None:
        """Take down what an attempt deployed; harmless when there is nothing."""
