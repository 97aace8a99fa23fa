"""What the proxies tell of a route with each request: the state under which it was routed.

Envoy Gateway hands annotations of its own prefix on to the proxies as metadata of the route, so each record
of a request names the state that the very route had which took it; rules and annotation change in one write.
"""

from dataclasses import dataclass

from turnout.domain.errors import InvalidInputError
from turnout.domain.route import Registration
from turnout.fabric.gateway_api.place import ENVOY_GATEWAY
from turnout.fabric.gateway_api.policies import door_socket
from turnout.fabric.router.naming import check_attempt, check_model
from turnout.fabric.router.standing import Standing

KEY = "turnout-route"
"""Of the annotation, as the proxies know it: without its prefix."""
ANNOTATION = f"{ENVOY_GATEWAY}/{KEY}"

_NONE = "-"
_LOOPBACK = ("127.0.0.1", "[::1]")


@dataclass(frozen=True, slots=True)
class Told:
    """The state of a route.

    Attributes:
        model: The model.
        attempt: The live attempt, or None.
        version: Version of the route.
        weight: Candidate's weight in [0, 1].
        door_port: Port of the candidate's door, where it is a port and no socket.
        capture_share: Share of exchanges that are captured, in [0, 1].
    """

    model: str
    attempt: str | None
    version: str
    weight: float
    door_port: int
    capture_share: float = 0.0

    def __str__(self) -> str:
        """The text of the annotation."""
        return (
            f"model={self.model};attempt={self.attempt or _NONE};version={self.version}"
            f";weight={self.weight:g};door={self.door_port};captured={self.capture_share:g}"
        )

    def is_door(self, host: str) -> bool:
        """Whether a host, as Envoy writes addresses, is the candidate's door."""
        return host == door_socket(self.model) or host in {f"{one}:{self.door_port}" for one in _LOOPBACK}


def told(standing: Standing, registration: Registration) -> Told:
    """What is told of a state."""
    return Told(
        standing.model,
        standing.attempt,
        standing.version,
        standing.weight,
        registration.listen_port,
        standing.capture_share,
    )


def parse(text: str) -> Told:
    """Read the annotation's text back.

    Raises:
        InvalidInputError: It is not one of ours.
    """
    try:
        fields = dict(part.split("=", 1) for part in text.split(";"))
        found = Told(
            model=check_model(fields["model"]),
            attempt=None if fields["attempt"] == _NONE else fields["attempt"],
            version=fields["version"],
            weight=float(fields["weight"]),
            door_port=int(fields["door"]),
            capture_share=float(fields["captured"]),
        )
    except (ValueError, KeyError) as error:
        raise _unreadable(text, str(error)) from error
    if found.attempt is not None:
        check_attempt(found.model, found.attempt)
    if not (0 <= found.weight <= 1 and 0 <= found.capture_share <= 1):
        raise _unreadable(text, "its weight or its capture share is no share")
    return found


def _unreadable(text: str, observed: str) -> InvalidInputError:
    return InvalidInputError(
        f"annotation {ANNOTATION} {text[:200]!r}",
        observed=f"not readable ({observed})",
        limit="model=...;attempt=...;version=...;weight=...;door=...;captured=...",
        remedy="Leave the annotation to Turnout.",
    )
