"""What happens to each model of the demo: which fault comes when, and how it has to end. Pure."""

from dataclasses import dataclass

from turnout.domain.attempt import Outcome
from turnout.lab.faults import Fault


@dataclass(frozen=True)
class Chapter:
    """One attempt of a story.

    Attributes:
        expected: How the attempt has to end.
        fault: What is put into the candidate; None for a healthy one.
        parameters: Of the fault.
        at_weight: Put in once the candidate carries this weight; 0: before it is deployed.
    """

    expected: Outcome
    fault: Fault | None = None
    parameters: tuple[tuple[str, float], ...] = ()
    at_weight: float = 0.0


STORIES: dict[str, tuple[Chapter, ...]] = {
    "cancer": (
        Chapter(Outcome.STOPPED_IN_SHADOW, Fault.REVERSED_FEATURES),
        Chapter(Outcome.CUT_OVER),
    ),
    "diabetes": (Chapter(Outcome.ROLLED_BACK, Fault.FAILING, (("share", 0.3),), at_weight=0.5),),
    "iris": (Chapter(Outcome.CUT_OVER),),
}
"""By model, one chapter an attempt. The longest story first, so that it starts first."""
