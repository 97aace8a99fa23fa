"""The V1 bridge: a Ray Serve application that speaks KServe V1 and asks Triton, or another application.

Deployed by `runtimes.ray_serve` under the route prefix /v1/models; its user_config is the table of models, so
a model comes and goes without a restart. Answers and errors are KServe's:
https://kserve.github.io/website/docs/concepts/architecture/data-plane/v1-protocol
"""

from typing import Any

import grpc
from ray import serve
from starlette.requests import Request
from tritonclient.grpc import InferInput, InferRequestedOutput
from tritonclient.utils import InferenceServerException

from runtimes.bridges.bodies import instances, predictions, to_tensor
from runtimes.bridges.bridge import FAILED, TIMED_OUT, UNAVAILABLE, Bridge, BridgeError, parsed
from runtimes.bridges.lines import Bridged, Handled

PREFIX = "/v1/models"
PREDICT = ":predict"

_STATUS = {
    grpc.StatusCode.UNAVAILABLE.name: UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED.name: TIMED_OUT,
}


class V1Bridge(Bridge):
    """One replica of the bridge."""

    async def answer(self, request: Request) -> dict[str, Any]:
        """Answer one request of a V1 client."""
        name = request.url.path.removeprefix(PREFIX).removeprefix("/")
        if request.method == "GET":
            return await self._ready(name) if name else {"models": self.models}
        if request.method == "POST" and name.endswith(PREDICT):
            return await self._predict(name.removesuffix(PREDICT), await request.body())
        raise BridgeError(405, "Method Not Allowed")

    async def _ready(self, name: str) -> dict[str, Any]:
        await self.check_ready(name)
        return {"name": name, "ready": True}

    async def _predict(self, name: str, content: bytes) -> dict[str, Any]:
        line, body = self.line(name), parsed(content)
        rows = instances(body)
        return await self.ask(line, body) if isinstance(line, Handled) else await self._infer(line, rows)

    async def _infer(self, line: Bridged, rows: list[Any]) -> dict[str, Any]:
        tensor = to_tensor(rows, line.input)
        given = InferInput(line.input.name, tensor.shape, line.input.datatype).set_data_from_numpy(tensor)
        try:
            answer = await self.client(line).infer(
                line.model,
                [given],
                outputs=[InferRequestedOutput(line.output.name)],
                client_timeout=line.timeout_seconds,
            )
        except InferenceServerException as error:
            raise BridgeError(_status(error), f"{line.model}: {error.message()}") from error
        return predictions(answer.as_numpy(line.output.name), line.output)


def _status(error: InferenceServerException) -> int:
    return _STATUS.get(str(error.status()).removeprefix("StatusCode."), FAILED)


app = serve.deployment(
    name="Bridge",
    num_replicas=1,
    max_ongoing_requests=512,
    ray_actor_options={"num_cpus": 0.1},
    graceful_shutdown_timeout_s=5.0,
)(V1Bridge).bind()
"""What `runtimes.ray_serve` deploys."""
