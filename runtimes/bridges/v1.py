"""The V1 bridge: a Ray Serve application that speaks KServe V1 and asks Triton over gRPC.

Deployed by `runtimes.ray_serve` under the route prefix /v1/models; its user_config is the table of models, so
a model comes and goes without a restart. A failure of Triton is answered with a 5xx, for which the router
asks legacy instead. Answers and errors are KServe's:
https://kserve.github.io/website/docs/concepts/architecture/data-plane/v1-protocol
"""

import json
from contextlib import suppress
from typing import Any

import grpc
from ray import serve
from starlette.requests import Request
from starlette.responses import JSONResponse
from tritonclient.grpc import InferInput, InferRequestedOutput
from tritonclient.grpc.aio import InferenceServerClient
from tritonclient.utils import InferenceServerException

from runtimes.bridges.bodies import Bridged, MalformedError, instances, predictions, to_tensor

PREFIX = "/v1/models"
PREDICT = ":predict"

_STATUS = {grpc.StatusCode.UNAVAILABLE.name: 503, grpc.StatusCode.DEADLINE_EXCEEDED.name: 504}


class BridgeError(Exception):
    """What a client is told: an HTTP status and a sentence."""

    def __init__(self, status: int, message: str) -> None:
        """Keep both."""
        super().__init__(message)
        self.status = status


class Bridge:
    """One replica of the bridge."""

    def __init__(self) -> None:
        """Serve nothing until the table comes."""
        self._models: dict[str, Bridged] = {}
        self._clients: dict[str, InferenceServerClient] = {}

    async def reconfigure(self, table: dict[str, Any]) -> None:
        """Take a new table of models; requests under way keep the one they started with."""
        self._models = {name: Bridged.model_validate(line) for name, line in table.get("models", {}).items()}
        wanted = {line.address for line in self._models.values()}
        for address in wanted - self._clients.keys():
            self._clients[address] = InferenceServerClient(address)
        for address in self._clients.keys() - wanted:
            with suppress(grpc.RpcError):
                await self._clients.pop(address).close()

    async def __call__(self, request: Request) -> JSONResponse:
        """Answer one request of a V1 client."""
        try:
            return JSONResponse(await self._answer(request))
        except BridgeError as error:
            return JSONResponse({"error": str(error)}, error.status)
        except MalformedError as error:
            return JSONResponse({"error": str(error)}, 400)

    async def _answer(self, request: Request) -> dict[str, Any]:
        name = request.url.path.removeprefix(PREFIX).removeprefix("/")
        if request.method == "GET":
            return await self._ready(name) if name else {"models": sorted(self._models)}
        if request.method == "POST" and name.endswith(PREDICT):
            return await self._predict(self._line(name.removesuffix(PREDICT)), await request.body())
        raise BridgeError(405, "Method Not Allowed")

    async def _ready(self, name: str) -> dict[str, Any]:
        line = self._line(name)
        ready = False
        with suppress(InferenceServerException):
            ready = await self._clients[line.address].is_model_ready(
                line.model, client_timeout=line.timeout_seconds
            )
        if not ready:
            raise BridgeError(503, f"Model with name {name} is not ready.")
        return {"name": name, "ready": True}

    async def _predict(self, line: Bridged, body: bytes) -> dict[str, Any]:
        try:
            parsed = json.loads(body)
        except ValueError as error:
            raise MalformedError(f"Unrecognized request format: {error}") from error
        tensor = to_tensor(instances(parsed), line.input)
        given = InferInput(line.input.name, tensor.shape, line.input.datatype).set_data_from_numpy(tensor)
        try:
            answer = await self._clients[line.address].infer(
                line.model,
                [given],
                outputs=[InferRequestedOutput(line.output.name)],
                client_timeout=line.timeout_seconds,
            )
        except InferenceServerException as error:
            raise BridgeError(_status(error), f"{line.model}: {error.message()}") from error
        return predictions(answer.as_numpy(line.output.name), line.output)

    def _line(self, name: str) -> Bridged:
        if name not in self._models:
            raise BridgeError(404, f"Model with name {name} does not exist.")
        return self._models[name]


def _status(error: InferenceServerException) -> int:
    return _STATUS.get(str(error.status()).removeprefix("StatusCode."), 502)


app = serve.deployment(
    num_replicas=1,
    max_ongoing_requests=512,
    ray_actor_options={"num_cpus": 0.1},
    graceful_shutdown_timeout_s=5.0,
)(Bridge).bind()
"""What `runtimes.ray_serve` deploys."""
