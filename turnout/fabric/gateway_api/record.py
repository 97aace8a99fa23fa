"""A model's route as its HTTPRoute holds it: weights in the spec, everything else in annotations beside it.

One object, so that each write changes all of it or nothing. Each ended attempt has an annotation of its own;
the oldest go when there is no room left, and `over-through` then says up to which number all are over.
"""

from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from turnout.domain.errors import InvalidInputError
from turnout.domain.route import Opening, Registration, Route, RoutePolicy, Tombstone
from turnout.fabric.gateway_api import rules
from turnout.fabric.gateway_api.place import Object
from turnout.fabric.gateway_api.told import ANNOTATION, told
from turnout.fabric.router.standing import Standing

PREFIX = "turnout.dev"
OVER = "over.turnout.dev"
REGISTRATION = f"{PREFIX}/registration"
LEGACY = f"{PREFIX}/legacy"
ATTEMPT = f"{PREFIX}/attempt"
LIVE = f"{PREFIX}/live"
OPENING = f"{PREFIX}/opening"
OVER_THROUGH = f"{PREFIX}/over-through"
NONE = ""


class Record(BaseModel):
    """What one HTTPRoute says.

    Attributes:
        registration: The model.
        legacy: Its state while no attempt is live.
        live: State of the live attempt.
        opening: The live attempt as it was opened.
        over: Words on tombstones, by the attempt's number.
        over_through: All attempts up to this number are over, the live one apart.
        share: The candidate's share that the rules give, in millionths.
    """

    model_config = ConfigDict(frozen=True)

    registration: Registration
    legacy: Standing
    live: Standing | None = None
    opening: Opening | None = None
    over: dict[int, Tombstone] = {}
    over_through: int = 0
    share: int = 0

    @property
    def now(self) -> Standing:
        """The state, as it was decided."""
        return self.live or self.legacy

    @property
    def attempt(self) -> str | None:
        """The live attempt."""
        return self.live.attempt if self.live else None

    @property
    def policy(self) -> RoutePolicy:
        """Of the live attempt, or of the model."""
        return self.opening.policy if self.opening else self.registration.policy

    @property
    def version(self) -> str:
        """Names this state; another one where somebody else changed the weights by hand."""
        decided = rules.millionths(self.now.weight) == self.share
        return self.now.version if decided else f"{self.now.version}+{self.share}"

    def is_over(self, attempt: str) -> bool:
        """Whether an attempt has a tombstone."""
        number = number_of(attempt)
        return number in self.over or (number <= self.over_through and attempt != self.attempt)

    def tombstone(self, attempt: str) -> Tombstone | None:
        """The tombstone of an attempt."""
        if not self.is_over(attempt):
            return None
        old = Tombstone(
            model=self.registration.model, attempt=attempt,
            reason="its reason was dropped for want of room", by="unknown", at_seconds=0.0,
        )  # fmt: skip
        return self.over.get(number_of(attempt), old)

    def route(self) -> Route:
        """The route as the router reports it."""
        now = self.now
        as_decided = rules.millionths(now.weight) == self.share
        return Route(
            model=now.model,
            version=self.version,
            stable=self.registration.stable,
            candidate=self.opening.candidate if self.opening else None,
            weight=now.weight if as_decided else self.share / rules.MILLION,
            capture_share=now.capture_share,
            attempt=now.attempt,
            step_lease_seconds=now.step_lease_seconds,
            listen_port=self.registration.listen_port,
        )

    def annotations(self) -> dict[str, str]:
        """Everything but the weights, as annotations."""
        return {
            REGISTRATION: self.registration.model_dump_json(),
            LEGACY: self.legacy.model_dump_json(),
            ATTEMPT: self.attempt or NONE,
            LIVE: self.live.model_dump_json() if self.live else NONE,
            OPENING: self.opening.model_dump_json() if self.opening else NONE,
            OVER_THROUGH: str(self.over_through),
            ANNOTATION: str(told(self.now, self.registration)),
            **{over_key(number): words(each) for number, each in self.over.items()},
        }

    def rules(self, *, kept: bool = False) -> list[Object]:
        """The rules that give the decided weight."""
        return rules.rules(self.now, self.policy, kept=kept)


def number_of(attempt: str) -> int:
    """N of `MODEL-N`."""
    return int(attempt.rpartition("-")[2])


def over_key(number: int) -> str:
    """The annotation that is an attempt's tombstone."""
    return f"{OVER}/{number}"


def words(tombstone: Tombstone) -> str:
    """A tombstone as its annotation."""
    return tombstone.model_dump_json()


def parse(route: Object) -> Record:
    """Read an HTTPRoute.

    Raises:
        InvalidInputError: It is not one of ours.
    """
    notes: dict[str, str] = route["metadata"].get("annotations") or {}
    try:
        return Record(
            registration=Registration.model_validate_json(notes[REGISTRATION]),
            legacy=Standing.model_validate_json(notes[LEGACY]),
            live=Standing.model_validate_json(notes[LIVE]) if notes[LIVE] else None,
            opening=Opening.model_validate_json(notes[OPENING]) if notes[OPENING] else None,
            over=dict(_tombstones(notes)),
            over_through=int(notes[OVER_THROUGH]),
            share=rules.found(route),
        )
    except (KeyError, ValueError, ValidationError) as error:
        raise InvalidInputError(
            f"HTTPRoute {route['metadata']['namespace']}/{route['metadata']['name']}",
            observed=f"not readable as a model's route ({type(error).__name__}: {error})",
            limit="an HTTPRoute that Turnout made, with its annotations",
            remedy="Give the model another name, or move the route that has this one.",
        ) from error


def _tombstones(notes: dict[str, str]) -> list[tuple[int, Tombstone]]:
    found = ((key.rpartition("/"), value) for key, value in notes.items())
    return [
        (int(number), Tombstone.model_validate_json(value))
        for (prefix, _, number), value in found
        if prefix == OVER
    ]


def size(notes: dict[str, Any]) -> int:
    """Bytes that annotations take, as the API server counts them."""
    return sum(len(key.encode()) + len(str(value).encode()) for key, value in notes.items())
