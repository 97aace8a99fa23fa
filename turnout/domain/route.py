"""Where one model's traffic goes, and who may change it.

The router is the truth about traffic; nothing else keeps a copy. `Router` is its contract: the real one
(`turnout.fabric.router.envoy`) and the in-memory one (`turnout.fabric.router.memory`) pass the same tests.
"""

from typing import Protocol

from pydantic import BaseModel, ConfigDict, Field

CONTROL_SHARE = 0.05
"""Smallest share that legacy keeps while a candidate is guarded (statistics: no control, no comparison)."""


class Backend(BaseModel):
    """One arm's servers.

    Attributes:
        name: Unique among the router's backends, for example `iris-legacy` or `iris-2`.
        host: Address of the server.
        port: TCP port, 1 to 65535.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    host: str = "127.0.0.1"
    port: int = Field(ge=1, le=65535)


class RoutePolicy(BaseModel):
    """How requests of one model are treated, from its contract.

    Attributes:
        request_seconds: Longest that a client waits, over all tries.
        try_seconds: Longest that one try on the candidate may take before legacy is asked.
        replayable: Whether a request may be sent a second time at all (no side effects). Where not, a failed
            candidate request goes to legacy only when the connection was never made.
        largest_body_bytes: Largest request body that is buffered for a second try.
        streaming: Whether answers come in pieces (SSE, chunked). Then both limits above hold for the first
            byte, and `request_seconds` also between two pieces; the whole may take as long as it takes.
        stream_longest_seconds: Servers of an ended attempt are kept at most so long for streams that have
            begun on them.
    """

    model_config = ConfigDict(frozen=True)

    request_seconds: float = Field(default=30.0, gt=0)
    try_seconds: float = Field(default=2.0, gt=0)
    replayable: bool = True
    largest_body_bytes: int = Field(default=8 * 1024 * 1024, gt=0)
    streaming: bool = False
    stream_longest_seconds: float = Field(default=3600.0, gt=0)


class Registration(BaseModel):
    """A model as the router knows it before any migration: its clients' address and its legacy servers.

    Attributes:
        hostnames: Names that its clients call, where the router is a Gateway. None: those that it has, or the
            one that the Gateway's settings give.
    """

    model_config = ConfigDict(frozen=True)

    model: str
    listen_port: int = Field(ge=1, le=65535)
    stable: Backend
    policy: RoutePolicy = RoutePolicy()
    hostnames: tuple[str, ...] = ()


class Opening(BaseModel):
    """A new attempt's candidate, made known to the router at weight 0."""

    model_config = ConfigDict(frozen=True)

    model: str
    attempt: str
    candidate: Backend
    policy: RoutePolicy = RoutePolicy()


class Route(BaseModel):
    """Where one model's traffic goes now, as the router reports it.

    Attributes:
        version: The router's version of this state; names it in a later change.
        weight: Candidate's share in [0, 1].
        capture_share: Share of exchanges, in [0, 1], handed to the shadow service.
        attempt: The live attempt, or None when legacy has everything.
        step_lease_seconds: How long the weight may stand without a new word; None: as long as it is guarded.
    """

    model_config = ConfigDict(frozen=True)

    model: str
    version: str
    stable: Backend
    candidate: Backend | None = None
    weight: float = Field(default=0.0, ge=0, le=1)
    capture_share: float = Field(default=0.0, ge=0, le=1)
    attempt: str | None = None
    step_lease_seconds: float | None = None
    listen_port: int = 0


class RouteChange(BaseModel):
    """A change of weight or of capture: it names the live attempt and the state that it read.

    Attributes:
        attempt: The live attempt; None to change only the capture share of a route without one.
        read_version: Version of the route that the decision was made on.
        weight: New weight, or None to leave it.
        capture_share: New share, or None to leave it.
        step_lease_seconds: See `Route`; set anew by each change of weight.
    """

    model_config = ConfigDict(frozen=True)

    model: str
    attempt: str | None
    read_version: str
    weight: float | None = Field(default=None, ge=0, le=1 - CONTROL_SHARE)
    capture_share: float | None = Field(default=None, ge=0, le=1)
    step_lease_seconds: float | None = None


class Tombstone(BaseModel):
    """The end of an attempt. No write lifts it."""

    model_config = ConfigDict(frozen=True)

    model: str
    attempt: str
    reason: str
    by: str
    at_seconds: float


class Router(Protocol):
    """Routes of all models. A write counts as done when the router reports its version."""

    def register(self, registration: Registration) -> Route:
        """Make a model known with all its traffic on legacy; does nothing when it is known alike."""

    def read(self, model: str) -> Route:
        """Return the route that the router holds now.

        Raises:
            NotFoundError: No such model.
        """

    def open(self, opening: Opening) -> Route:
        """Make an attempt the live one, at weight 0; does nothing when it is live already.

        Raises:
            RefusedError: The attempt has a tombstone, or another attempt is live.
        """

    def change(self, change: RouteChange) -> Route:
        """Change weight or capture.

        Raises:
            RefusedError: The attempt is not the live one, or the route is no longer what was read.
            TemporaryError: Another writer is at work, or the router has not reported the version in time.
        """

    def roll_back(self, model: str, attempt: str, *, reason: str, by: str) -> Tombstone:
        """Send everything to legacy and end the attempt for good. Unconditional; repeating it is harmless.

        Needs no lock that a stopped process can hold and no disk that may be full, and wins over any write
        that races it. Also ends an attempt that was not opened yet.
        """

    def under_way(self, model: str, attempt: str) -> int:
        """Return how many requests the attempt's candidate is answering, streams that have begun included.

        Raises:
            UnreachableError: The router does not answer.
        """

    def tombstone(self, model: str, attempt: str) -> Tombstone | None:
        """Return the attempt's tombstone, or None while it may still live."""
