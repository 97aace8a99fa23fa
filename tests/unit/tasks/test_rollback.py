"""What is left to clear away after an attempt, and when."""

from dataclasses import dataclass, field

import pytest

from tasks.rollback import undeploy
from turnout.domain.contract import Contract, SameAnswer
from turnout.domain.errors import UnreachableError
from turnout.domain.route import RoutePolicy
from turnout.fabric import contracts
from turnout.settings import Settings
from turnout.wiring.migrating import Wiring, use


@dataclass
class Parts:
    """Router, server and clock in one; the server says at which second it was taken down.

    Attributes:
        streams_end: Second at which the last stream ends; None: the router does not answer.
    """

    streams_end: float | None = 0.0
    now: float = 0.0
    taken_down: list[float] = field(default_factory=list)

    def under_way(self, _model, _attempt):
        """Streams that the candidate is still answering."""
        if self.streams_end is None:
            raise UnreachableError("Envoy", observed="down", limit="an answer", remedy="start it")
        return int(self.now < self.streams_end)

    def undeploy(self, _attempt):
        """Take the server down."""
        self.taken_down.append(self.now)

    def sleep(self, seconds):
        """Let time go by."""
        self.now += seconds


@pytest.fixture
def cleared(tmp_path, monkeypatch):
    """Clear away after an attempt whose last stream ends then; returns when its server was taken down."""

    def clear(streams_end, **policy):
        parts = Parts(streams_end)
        contract = Contract(
            model="iris", wire="v2", inputs=(), outputs=(), same_answer=SameAnswer(kind="labels"),
            policy=RoutePolicy(try_seconds=1.0, **policy),
        )  # fmt: skip
        contracts.write(tmp_path / "contracts", contract)
        paths = dict.fromkeys(("state", "manifests", "pools", "owners"), tmp_path)
        settings = Settings(contracts=tmp_path / "contracts", **paths)
        use(Wiring(settings, router=parts, triton=parts))
        monkeypatch.setattr("tasks.rollback.time.sleep", parts.sleep)
        monkeypatch.setattr("tasks.rollback.time.monotonic", lambda: parts.now)
        undeploy.fn("iris", "iris-1")
        return parts.taken_down

    yield clear
    use(None)


def test_a_server_stays_until_the_streams_that_began_on_it_have_ended(cleared):
    """The way back has moved all new requests; what has begun is let come to its end."""
    assert cleared(100.0, streaming=True) == [100.0]


def test_a_stream_that_never_ends_keeps_no_server_for_ever(cleared):
    """The contract says how long it may."""
    assert cleared(1e9, streaming=True, stream_longest_seconds=60.0) == [62.0]


def test_without_streams_a_server_is_kept_for_one_try(cleared):
    """Where answers do not stream, and where no router answers, there is nothing to wait for."""
    assert cleared(1e9, streaming=False) == [2.0]
    assert cleared(None, streaming=True) == [2.0]
