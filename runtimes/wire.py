"""How an endpoint is called in its clients' protocol, and what a request and an answer hold.

The paths and bodies are those of KServe's V1 protocol, of the Open Inference Protocol (V2) and of OpenAI's
API below KServe's prefix /openai. Called by `tasks` and by the runtimes; both arms of a route are called in
the same way.
"""

import functools
import json
import math
import time
from dataclasses import dataclass
from typing import Any

import httpx
import numpy as np

from runtimes import Endpoint
from runtimes.bridges.bodies import MalformedError, instances, predictions
from turnout.domain.contract import Contract, Tensor, Wire
from turnout.domain.errors import InvalidInputError, UnreachableError


@dataclass(frozen=True, slots=True)
class Reply:
    """What an endpoint answered.

    Attributes:
        status: HTTP status.
        body: Body as it came.
        seconds: From the request's first byte to the answer's last one.
    """

    status: int
    body: bytes
    seconds: float

    def parsed(self) -> Any:
        """The body as JSON, or None where it is none."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None


def ready_path(contract: Contract) -> str:
    """Path that answers 200 when the model is ready."""
    paths = {
        Wire.V1: f"/v1/models/{contract.model}",
        Wire.V2: f"/v2/models/{contract.model}/ready",
        Wire.OPENAI: "/openai/v1/models",
    }
    return paths[contract.wire]


def predict_path(contract: Contract, body: bytes = b"") -> str:
    """Path that predictions are asked at; in OpenAI's protocol the request says which."""
    if contract.wire is Wire.OPENAI:
        return _openai_path(body)
    ending = ":predict" if contract.wire is Wire.V1 else "/infer"
    return f"/{contract.wire}/models/{contract.model}{ending}"


def _openai_path(body: bytes) -> str:
    try:
        asked = json.loads(body)
    except ValueError:
        asked = {}
    names = {"messages": "chat/completions", "input": "embeddings"}
    found = [path for name, path in names.items() if isinstance(asked, dict) and name in asked]
    return f"/openai/v1/{found[0] if found else 'completions'}"


def predict(endpoint: Endpoint, contract: Contract, body: bytes, *, timeout_seconds: float) -> Reply:
    """Send one request to an endpoint.

    Raises:
        UnreachableError: It did not answer in time, or nobody listens there.
    """
    url = f"http://{endpoint.host}:{endpoint.port}{predict_path(contract, body)}"
    started = time.monotonic()
    headers = {"content-type": "application/json"}
    try:
        answer = _client().post(url, content=body, headers=headers, timeout=timeout_seconds)
    except httpx.TransportError as error:
        raise UnreachableError(
            url,
            observed=f"{type(error).__name__}: {error}",
            limit=f"an answer within {timeout_seconds:g} s",
            remedy="See that its server runs (turnout lab status).",
        ) from error
    return Reply(answer.status_code, answer.content, time.monotonic() - started)


def is_ready(endpoint: Endpoint, contract: Contract, *, timeout_seconds: float = 5.0) -> bool:
    """Whether an endpoint says that the model is ready; only an inference proves it."""
    url = f"http://{endpoint.host}:{endpoint.port}{ready_path(contract)}"
    try:
        return _client().get(url, timeout=timeout_seconds).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False


@functools.cache
def _client() -> httpx.Client:
    """One for the process: each new one reads the system's certificates for 20 ms, to no use in plain HTTP.

    A connection is not kept: a server that closes an idle one would fail the next request.
    """
    return httpx.Client(trust_env=False, limits=httpx.Limits(max_keepalive_connections=0))


def input_of(contract: Contract, body: Any) -> Any:
    """The model's one input in a parsed request, as nested lists.

    Raises:
        InvalidInputError: The request does not hold it.
    """
    try:
        if contract.wire is Wire.V1:
            return instances(body)
        return _tensor(body["inputs"], contract.inputs[0])
    except (MalformedError, LookupError, TypeError, ValueError) as error:
        raise InvalidInputError(
            f"request to {contract.model}", observed=f"{type(error).__name__}: {error}",
            limit=f"a {contract.wire.upper()} request", remedy="Check the wire in the model's contract.",
        ) from error  # fmt: skip


def answer_with(contract: Contract, output: Any) -> dict[str, Any]:
    """The answer that a client gets for an output (nested lists, the batch first)."""
    tensor = contract.outputs[0]
    values = np.asarray(output)
    if contract.wire is Wire.V1:
        return predictions(values, tensor)
    named = {"name": tensor.name, "datatype": tensor.datatype, "shape": list(values.shape)}
    return {"model_name": contract.model, "outputs": [{**named, "data": values.reshape(-1).tolist()}]}


def _tensor(tensors: list[dict[str, Any]], wanted: Tensor) -> Any:
    """The tensor of that name, or the only one there is (MLServer minds no names)."""
    named = [t for t in tensors if t["name"] == wanted.name] or tensors
    if len(named) != 1:
        raise MalformedError(f"{len(tensors)} inputs, none of them called {wanted.name}")
    flat = np.asarray(named[0]["data"]).reshape(-1)
    shape = named[0]["shape"]
    if flat.size != math.prod(shape):
        raise MalformedError(f"{flat.size} values for the shape {shape}")
    return flat.reshape(shape).tolist()
