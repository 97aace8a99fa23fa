"""The language model on its legacy server, discovered, planned and packaged; vLLM to deploy it on."""

from collections.abc import Callable
from typing import Any

import pytest

from runtimes import Endpoint, wire
from tests.served_estate import (  # noqa: F401 -- fixtures
    _in_force,
    asked,
    chosen_ports,
    golden,
    legacy,
    packaged_once,
    rows,
    servers,
    state,
    wiring,
)
from turnout.domain import sampling
from turnout.domain.evidence import Evidence
from turnout.wiring.migrating import Wiring

MODEL = "smollm"


@pytest.fixture(scope="package")
def served() -> tuple[str, ...]:
    """The one language model of the estate."""
    return (MODEL,)


@pytest.fixture(scope="package")
def golden_requests() -> int:
    """As many as its suite wants, and no more: legacy takes a second or more for each."""
    return 24


@pytest.fixture(scope="package")
def packaged(packaged_once: Callable[[str], Evidence]) -> Evidence:  # noqa: F811 -- as pytest hands it in
    """Evidence of the package, made with a golden set of the real legacy server."""
    return packaged_once(MODEL)


@pytest.fixture(scope="package")
def ask(wiring: Wiring) -> Callable[[int, bytes], wire.Reply]:  # noqa: F811
    """Sends a chat to a server by the path that clients call, and returns what it answered well."""

    def predict(port: int, body: bytes) -> wire.Reply:
        at = Endpoint(host="127.0.0.1", port=port)
        reply = wire.predict(at, wiring.contract(MODEL), body, timeout_seconds=120)
        assert reply.status == 200, reply.body
        return reply

    return predict


@pytest.fixture(scope="package")
def pinned(
    wiring: Wiring,  # noqa: F811
    asked: Callable[[str, Any], bytes],  # noqa: F811
) -> Callable[[dict[str, Any]], bytes]:
    """A row's request as a replay sends it."""

    def make(row: dict[str, Any]) -> bytes:
        request = sampling.pinned(wiring.contract(MODEL), asked(MODEL, row))
        assert request is not None
        return request

    return make


@pytest.fixture(scope="package")
def legacy_port(legacy: dict[str, str]) -> int:  # noqa: F811
    """Where legacy answers."""
    return int(legacy[MODEL].rpartition(":")[2])
