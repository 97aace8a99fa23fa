"""What every bridge does: keeps its table of models, and asks what stands behind a line.

A failure of what stands behind is answered with a 5xx, for which the router asks legacy instead.
"""

import asyncio
import json
from contextlib import suppress
from typing import Any

import grpc
from ray import serve
from ray.exceptions import RayError
from ray.serve.exceptions import BackPressureError, RayServeException
from ray.serve.handle import DeploymentHandle
from starlette.requests import Request
from starlette.responses import JSONResponse
from tritonclient.grpc.aio import InferenceServerClient
from tritonclient.utils import InferenceServerException

from runtimes.bridges.bodies import MalformedError
from runtimes.bridges.lines import Bridged, Handled, Line, line

UNAVAILABLE, TIMED_OUT, FAILED = 503, 504, 502
_CHANNEL = [
    ("grpc.lb_policy_name", "round_robin"),
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
]
"""All addresses of a name in turn, for a connection alone leads to one replica; bodies of any size, as is
Triton's client's own default."""


class BridgeError(Exception):
    """What a client is told: an HTTP status and a sentence."""

    def __init__(self, status: int, message: str) -> None:
        """Keep both."""
        super().__init__(message)
        self.status = status


class Bridge:
    """One replica of a bridge; a protocol's bridge says what a path means (`answer`)."""

    def __init__(self) -> None:
        """Serve nothing until the table comes."""
        self._lines: dict[str, Line] = {}
        self._clients: dict[str, InferenceServerClient] = {}
        self._handles: dict[str, DeploymentHandle[Any]] = {}

    async def reconfigure(self, table: dict[str, Any]) -> None:
        """Take a new table of models; requests under way keep the one they started with."""
        self._lines = {name: line(found) for name, found in table.get("models", {}).items()}
        wanted = {one.address for one in self._lines.values() if isinstance(one, Bridged)}
        for address in wanted - self._clients.keys():
            self._clients[address] = InferenceServerClient(address, channel_args=_CHANNEL)
        for address in self._clients.keys() - wanted:
            with suppress(grpc.RpcError):
                await self._clients.pop(address).close()
        applications = {one.application for one in self._lines.values() if isinstance(one, Handled)}
        for gone in self._handles.keys() - applications:
            del self._handles[gone]

    async def __call__(self, request: Request) -> JSONResponse:
        """Answer one request of a client."""
        try:
            return JSONResponse(await self.answer(request))
        except BridgeError as error:
            return JSONResponse({"error": str(error)}, error.status)
        except MalformedError as error:
            return JSONResponse({"error": str(error)}, 400)

    async def answer(self, request: Request) -> dict[str, Any]:
        """The answer to one request; each protocol's own.

        Raises:
            BridgeError: There is none.
            MalformedError: The request cannot be read.
        """
        raise NotImplementedError

    @property
    def models(self) -> list[str]:
        """Names of all models."""
        return sorted(self._lines)

    def line(self, name: str) -> Line:
        """The line of a model.

        Raises:
            BridgeError: There is none.
        """
        if name not in self._lines:
            raise BridgeError(404, f"Model with name {name} does not exist.")
        return self._lines[name]

    def client(self, of: Bridged) -> InferenceServerClient:
        """The connection to a line's runtime."""
        return self._clients[of.address]

    async def check_ready(self, name: str) -> None:
        """Ask what stands behind a model whether it is ready.

        Raises:
            BridgeError: It is not.
        """
        found = self.line(name)
        ready = False
        with suppress(InferenceServerException, BridgeError):
            if isinstance(found, Handled):
                ready = bool(await self._call(found, "ready"))
            else:
                client = self.client(found)
                ready = await client.is_model_ready(found.model, client_timeout=found.timeout_seconds)
        if not ready:
            raise BridgeError(UNAVAILABLE, f"Model with name {name} is not ready.")

    async def ask(self, found: Handled, body: dict[str, Any]) -> dict[str, Any]:
        """Ask a line's application; both bodies are V1's, parsed.

        Raises:
            BridgeError: It failed, was not there, or took too long.
        """
        answer: dict[str, Any] = await self._call(found, "__call__", body)
        return answer

    async def _call(self, found: Handled, method: str, *given: Any) -> Any:
        try:
            handle = await self._handle(found.application)
            async with asyncio.timeout(found.timeout_seconds):
                return await getattr(handle, method).remote(*given)
        except TimeoutError as error:
            raise BridgeError(TIMED_OUT, f"{found.application}: no answer in time") from error
        except (BackPressureError, RayServeException) as error:
            raise BridgeError(UNAVAILABLE, f"{found.application}: {_said(error)}") from error
        except RayError as error:
            raise BridgeError(FAILED, f"{found.application}: {_said(error)}") from error

    async def _handle(self, application: str) -> DeploymentHandle[Any]:
        """The application's handle; asked for outside of the event loop, for it waits for the controller."""
        if application not in self._handles:
            self._handles[application] = await asyncio.to_thread(serve.get_app_handle, application)
        return self._handles[application]


def parsed(body: bytes) -> Any:
    """A body as JSON.

    Raises:
        MalformedError: It is none.
    """
    try:
        return json.loads(body)
    except ValueError as error:
        raise MalformedError(f"Unrecognized request format: {error}") from error


def _said(error: Exception) -> str:
    """The last line of an error: there a traceback says what went wrong."""
    return (str(error).strip().splitlines() or [type(error).__name__])[-1][:300]
