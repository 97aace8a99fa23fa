"""The V2 bridge: a Ray Serve application that speaks the Open Inference Protocol and asks another one.

Deployed by `runtimes.ray_serve` under the route prefix /v2/models, with its table of models as user_config.
Python models take and give rows; here they become tensors of the contract's names and data types. Triton
speaks V2 itself and needs no bridge.
https://github.com/open-inference/open-inference-protocol/blob/main/specification/protocol/inference_rest.md
"""

from typing import Any

from ray import serve
from starlette.requests import Request

from runtimes.bridges.bodies import from_tensors, to_tensors
from runtimes.bridges.bridge import UNAVAILABLE, Bridge, BridgeError, parsed
from runtimes.bridges.lines import Handled

PREFIX = "/v2/models"
INFER, READY = "infer", "ready"


class V2Bridge(Bridge):
    """One replica of the bridge."""

    async def answer(self, request: Request) -> dict[str, Any]:
        """Answer one request of a V2 client."""
        name, _, what = request.url.path.removeprefix(PREFIX).removeprefix("/").partition("/")
        if request.method == "POST" and what == INFER:
            return await self._infer(name, await request.body())
        if request.method == "GET" and what == READY:
            await self.check_ready(name)
            return {"name": name, "ready": True}
        if request.method == "GET" and name and not what:
            return self._metadata(name)
        raise BridgeError(405, "Method Not Allowed")

    async def _infer(self, name: str, content: bytes) -> dict[str, Any]:
        line, body = self._handled(name), parsed(content)
        answer = await self.ask(line, {"instances": from_tensors(body, line.input)})
        return to_tensors(name, answer.get("predictions"), line.output, body.get("id"))

    def _metadata(self, name: str) -> dict[str, Any]:
        line = self._handled(name)
        tensors = [
            {"name": one.name, "datatype": one.datatype, "shape": list(one.shape)}
            for one in (line.input, line.output)
        ]
        return {"name": name, "platform": "ray_serve", "inputs": tensors[:1], "outputs": tensors[1:]}

    def _handled(self, name: str) -> Handled:
        line = self.line(name)
        if not isinstance(line, Handled):
            raise BridgeError(UNAVAILABLE, f"Model with name {name} is not served by an application.")
        return line


app = serve.deployment(
    name="Bridge",
    num_replicas=1,
    max_ongoing_requests=512,
    ray_actor_options={"num_cpus": 0.1},
    graceful_shutdown_timeout_s=5.0,
)(V2Bridge).bind()
"""What `runtimes.ray_serve` deploys."""
