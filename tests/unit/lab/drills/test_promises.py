"""A drill that cannot fail is a defect: each promise that was broken is noticed, and only that one."""

import pytest

from turnout.domain.attempt import Outcome
from turnout.lab.drills.drill import Fault, Stage
from turnout.lab.drills.observed import Deed, Evidence, Observation, Request, Seen
from turnout.lab.drills.promises import broken

BEGAN = 1_700_000_000.0
LIVE = Seen(after_seconds=-0.01, attempt="iris-1", weight=0.5)
BACK = Seen(after_seconds=4.0, attempt=None, weight=0.0)
KEPT = Observation(
    drill="kill-legacy-canary", fault=Fault.KILL, target="legacy", stage=Stage.CANARY, model="iris",
    attempt="iris-1", deeds=(Deed(at_seconds=BEGAN, did="SIGKILL to 1"),), window_seconds=10, requests=200,
    failures=(Request(model="iris", sent_seconds=BEGAN + 1, finished_seconds=BEGAN + 1.1, error="503"),),
    outage=(BEGAN, BEGAN + 2), route=(LIVE,), weights=(0.2, 0.5, 0.95), candidate_share=0.5,
    fault_seconds=5, evidence=Evidence(before=4, kept=4), outcome=Outcome.CUT_OVER,
)  # fmt: skip
SILENCED = {"target": "sentinel", "fault": Fault.PAUSE, "outage": None, "failures": (), "lease_seconds": 7.0}


def seen(**changes):
    """What was seen in the drill, but for some things."""
    return KEPT.model_copy(update=changes)


def failure(after):
    """A request that failed so many seconds after the fault."""
    at = BEGAN + after
    return Request(model="iris", sent_seconds=at, finished_seconds=at + 0.1, error="status 503")


def test_a_drill_that_kept_every_promise_is_passed():
    """Failures while the only server was gone are explained; the rest is as it was."""
    assert broken(KEPT) == ()


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"failures": (failure(3.0),)}, "1 of 200 requests failed without a reason"),
        ({"failures": (failure(-1.0),)}, "failed without a reason"),
        ({"outage": None}, "failed without a reason"),
        ({"requests": 0, "failures": ()}, "nothing was shown"),
        ({"route": (LIVE, Seen(after_seconds=2, attempt="iris-1", weight=0.7))}, "the weight was 0.7"),
        ({"candidate_share": 0.8}, "answered 80% at a weight of 50%"),
        ({"route": (LIVE, BACK, LIVE.model_copy(update={"after_seconds": 6.0}))}, "live again after its end"),
        ({"evidence": Evidence(before=4, kept=3)}, "1 of 4 records are gone"),
        ({"evidence": Evidence(before=4, kept=4, fault="does not match its digest")}, "does not match"),
        ({"evidence": Evidence(before=0, kept=0)}, "nothing was shown"),
        ({"outcome": None}, "did not end in order"),
        ({"outcome": Outcome.ABANDONED}, "did not end in order"),
        ({"recovered": "not ready: envoy"}, "not ready: envoy"),
    ],
)
def test_each_broken_promise_is_noticed(changes, word):
    """One line, which says what was seen."""
    [line] = broken(seen(**changes))
    assert word in line


def test_an_unguarded_candidate_is_silent_after_its_lease():
    """Answers within the lease are no offence, later ones are; and a fault too short for it shows nothing."""
    assert broken(seen(**SILENCED, fault_seconds=10, candidate_last_seconds=6.9)) == ()
    assert broken(seen(**SILENCED, fault_seconds=10, candidate_last_seconds=None)) == ()
    [late] = broken(seen(**SILENCED, fault_seconds=10, candidate_last_seconds=7.1))
    assert "7.1 s after the fault" in late
    [short] = broken(seen(**SILENCED, fault_seconds=6, candidate_last_seconds=5))
    assert "nothing was shown" in short


def test_a_faulty_candidate_has_to_be_sent_back():
    """Moved all the same, or still with traffic at the end: both are broken promises."""
    faulty = {"target": "candidate", "fault": Fault.NONSENSE, "outage": None, "failures": ()}
    assert broken(seen(**faulty, route=(LIVE, BACK), outcome=Outcome.ROLLED_BACK)) == ()
    [unshown] = broken(
        seen(**faulty | {"fault": Fault.LEAKING}, route=(LIVE, BACK), outcome=Outcome.ROLLED_BACK)
    )
    assert "not killed" in unshown
    [moved] = broken(seen(**faulty, route=(LIVE, BACK)))
    assert "ended as cut_over" in moved
    [still] = broken(seen(**faulty, outcome=Outcome.ROLLED_BACK))
    assert "still had traffic" in still
