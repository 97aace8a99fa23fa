"""A laid-out package on the real Triton, before it is registered: what it answers is what is proved.

Called by `runtimes.triton` while it packages. It is the same server that deploys, and is ended afterwards.
"""

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from tritonclient.grpc import InferenceServerClient, InferInput, InferRequestedOutput
from tritonclient.utils import InferenceServerException

from runtimes import Endpoint, wire
from runtimes.bridges.bodies import instances, predictions, to_tensor
from runtimes.triton import config, server
from turnout.domain.contract import Contract, Wire
from turnout.domain.errors import InvalidInputError
from turnout.domain.server import Servers

_CALL_SECONDS = 30.0


@dataclass(frozen=True)
class Trial:
    """A server with the package on it.

    Attributes:
        contract: Contract of the model.
        endpoint: Where it is called.
    """

    contract: Contract
    endpoint: Endpoint

    @cached_property
    def client(self) -> InferenceServerClient:
        """A gRPC client of the server."""
        return InferenceServerClient(f"{self.endpoint.host}:{self.endpoint.grpc_port}")

    def answer(self, request: Any) -> Any:
        """The answer that a client gets to a parsed request, through the bridge where clients speak V1.

        Raises:
            InvalidInputError: It is not answered.
        """
        if self.contract.wire is Wire.V1:
            return self._bridged(request)
        body = json.dumps(request).encode()
        reply = wire.predict(self.endpoint, self.contract, body, timeout_seconds=_CALL_SECONDS)
        if reply.status != 200:  # noqa: PLR2004 -- HTTP
            raise _refused(
                self.contract, f"status {reply.status}: {reply.body[:300].decode(errors='replace')}"
            )
        return reply.parsed()

    def close(self) -> None:
        """Let go of the connection, where there is one: its threads would go on looking for the server."""
        if "client" in self.__dict__:
            self.client.close()

    def reload(self, model: str) -> None:
        """Load a model anew from its folder: what is asked from now on is what the package says."""
        self.client.load_model(model)

    def _bridged(self, request: Any) -> Any:
        given = self.given(to_tensor(instances(request), self.contract.inputs[0]))
        output = self.contract.outputs[0]
        wanted = [InferRequestedOutput(output.name)]
        try:
            found = self.client.infer(
                self.contract.model, [given], outputs=wanted, client_timeout=_CALL_SECONDS
            )
        except InferenceServerException as error:
            raise _refused(self.contract, str(error.message())) from error
        return predictions(found.as_numpy(output.name), output)

    def given(self, values: Any) -> InferInput:
        """The model's one input with these values, as Triton serves it."""
        tensor = config.served(self.contract.inputs[0], self.contract.wire)
        shaped = values.reshape((values.shape[0], *tensor.shape[1:])) if len(tensor.shape) > 1 else values
        return InferInput(tensor.name, shaped.shape, tensor.datatype).set_data_from_numpy(shaped)


@contextmanager
def started(
    servers: Servers,
    contract: Contract,
    directory: Path,
    *,
    spec: Callable[..., Any],
    ready_within_seconds: float,
) -> Iterator[Trial]:
    """Bring a server up on a package's directory, and end it.

    Args:
        servers: Where servers run.
        contract: Contract of the package's model.
        directory: Root of the package.
        spec: Makes the server's spec from name, attempt, model, repository and listen.
        ready_within_seconds: How long it may take.

    Raises:
        TemporaryError: It was not ready in time.
    """
    name, listen = server_name(directory.name), server.free_ports()
    wanted = spec(
        name=name, attempt=name, model=contract.model, repository=directory / "repository", listen=listen
    )
    trial = Trial(contract, Endpoint(host="127.0.0.1", port=listen.http, grpc_port=listen.grpc))
    try:
        servers.ensure(wanted, ready_within_seconds=ready_within_seconds)
        yield trial
    finally:
        trial.close()
        servers.stop(name)
        for left in directory.rglob("__pycache__"):  # the Python backend's; no part of the package
            shutil.rmtree(left)


def server_name(attempt: str) -> str:
    """Name of the server that tries an attempt's package."""
    return f"trial-{attempt}"


def _refused(contract: Contract, observed: str) -> InvalidInputError:
    return InvalidInputError(
        f"package of {contract.model}",
        observed=f"Triton answers a golden request with {observed}",
        limit="an answer to each",
        remedy="Check the contract's tensors against the model's.",
    )
