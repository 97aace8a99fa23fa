"""The name of a route, which says everything about the router's choice.

Envoy writes it into the access log and hands it to the capture service, so that both know arm, attempt,
version and weight of each request from the router itself, at the moment of its choice.
"""

from dataclasses import dataclass

from turnout.domain.errors import InvalidInputError
from turnout.domain.requests import Arm


@dataclass(frozen=True, slots=True)
class RouteName:
    """What the router chose for a request.

    Attributes:
        arm: The arm.
        model: The model.
        attempt: The live attempt, or None on a route without one.
        version: Version of the route.
        weight: Candidate's weight in [0, 1] under which it was chosen; 0 where chance had no part in it.
        captured: Whether the exchange is handed to the capture service.
    """

    arm: Arm
    model: str
    attempt: str | None
    version: str
    weight: float
    captured: bool

    def __str__(self) -> str:
        """The text that Envoy carries."""
        captured = "yes" if self.captured else "no"
        return (
            f"{self.arm};model={self.model};attempt={self.attempt or '-'};version={self.version}"
            f";weight={self.weight:g};captured={captured}"
        )


def parse(text: str) -> RouteName:
    """Read a route's name back.

    Raises:
        InvalidInputError: It is not one of ours.
    """
    arm, *parts = text.split(";")
    try:
        fields = dict(part.split("=", 1) for part in parts)
        return RouteName(
            arm=Arm(arm),
            model=fields["model"],
            attempt=None if fields["attempt"] == "-" else fields["attempt"],
            version=fields["version"],
            weight=float(fields["weight"]),
            captured=fields["captured"] == "yes",
        )
    except (ValueError, KeyError) as error:
        raise InvalidInputError(
            f"route name {text!r}",
            observed=f"not readable ({error})",
            limit="ARM;model=...;attempt=...;version=...;weight=...;captured=...",
            remedy="Only the router's own routes belong into this Envoy.",
        ) from error
