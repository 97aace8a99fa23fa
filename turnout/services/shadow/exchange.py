"""One client exchange put together from the pieces that the router streams; pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from turnout.domain.requests import Arm
from turnout.services.shadow.coding import UnreadableCodingError, decoded

KEPT_HEADERS = frozenset({"content-type", "accept", "inference-header-content-length"})
"""Headers that a replay needs. Nothing else is kept: credentials and cookies stay out of the captures."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Who chose and who answered.

    Attributes:
        model: Name of the model.
        attempt: Attempt that the route named, or None without one.
        arm: The arm that the route chose.
        answered_by: The arm whose server answered; None where it could not be told.
    """

    model: str
    attempt: str | None
    arm: Arm
    answered_by: Arm | None = None


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and its answer, as the client sent and got them.

    Attributes:
        origin: Who chose and who answered.
        started_seconds: When the request came, Unix time.
        duration_seconds: Until the last piece of the answer came.
        method: HTTP method.
        path: Path with its query.
        headers: The kept headers of the request.
        request: Body of the request, without its content coding.
        status: HTTP status of the answer.
        response: Body of the answer, without its content coding.
    """

    origin: Origin
    started_seconds: float
    duration_seconds: float
    method: str
    path: str
    headers: Mapping[str, str]
    request: bytes
    status: int
    response: bytes


@dataclass
class _Body:
    """Chunks up to a limit; what goes beyond is not kept, only remembered to be too large."""

    limit_bytes: int
    chunks: list[bytes] = field(default_factory=list)
    size_bytes: int = 0
    coding: str = ""

    def add(self, chunk: bytes) -> None:
        self.size_bytes += len(chunk)
        if self.too_large:
            self.chunks.clear()
        else:
            self.chunks.append(chunk)

    @property
    def too_large(self) -> bool:
        return self.size_bytes > self.limit_bytes

    @cached_property
    def plain(self) -> bytes:
        """The whole body without its coding; asked for once it is complete, and unpacked once."""
        return decoded(b"".join(self.chunks), self.coding, largest_bytes=self.limit_bytes)

    @property
    def unreadable_because(self) -> str | None:
        try:
            _ = self.plain
        except UnreadableCodingError as error:
            return str(error)
        return None


class Assembly:
    """Puts one exchange together, piece by piece, in the order in which the router streams them.

    Args:
        largest_body_bytes: A request or an answer beyond it is dropped.
    """

    def __init__(self, *, largest_body_bytes: int) -> None:
        """Begin with nothing."""
        self._request = _Body(largest_body_bytes)
        self._response = _Body(largest_body_bytes)
        self._headers: dict[str, str] = {}
        self._status = 0
        self._started_seconds = 0.0
        self.complete = False

    def request_headers(self, headers: Mapping[str, str], *, at_seconds: float) -> None:
        """The request begins."""
        self._headers = dict(headers)
        self._request.coding = headers.get("content-encoding", "")
        self._started_seconds = at_seconds

    def request_body(self, chunk: bytes) -> None:
        """A piece of the request's body."""
        self._request.add(chunk)

    def response_headers(self, headers: Mapping[str, str], *, end: bool) -> None:
        """The answer begins; `end` says that it has no body."""
        self._status = int(headers.get(":status", "0"))
        self._response.coding = headers.get("content-encoding", "")
        self.complete = end

    def response_body(self, chunk: bytes, *, end: bool) -> None:
        """A piece of the answer's body; `end` says that it is the last one."""
        self._response.add(chunk)
        self.complete = end

    def response_trailers(self) -> None:
        """Trailers end an answer too."""
        self.complete = True

    @property
    def dropped_because(self) -> str | None:
        """Why this exchange cannot be kept, or None."""
        if not self._headers or not self._status or not self.complete:
            return "incomplete"
        for name, body in (("request", self._request), ("answer", self._response)):
            if body.too_large:
                return f"{name} too large"
            if why := body.unreadable_because:
                return f"{name} {why}"
        return None

    def exchange(self, origin: Origin, *, at_seconds: float) -> Exchange:
        """Return the whole exchange; only where nothing speaks against keeping it."""
        return Exchange(
            origin=origin,
            started_seconds=self._started_seconds,
            duration_seconds=max(0.0, at_seconds - self._started_seconds),
            method=self._headers.get(":method", ""),
            path=self._headers.get(":path", ""),
            headers={k: v for k, v in self._headers.items() if k in KEPT_HEADERS},
            request=self._request.plain,
            status=self._status,
            response=self._response.plain,
        )
