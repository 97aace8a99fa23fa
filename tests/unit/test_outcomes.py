import pytest

from turnout.domain.contract import Bounds
from turnout.domain.outcomes import CountingRules, count
from turnout.domain.requests import Arm, RequestRecord
from turnout.domain.route import RoutePolicy

RULES = CountingRules.of(Bounds(slow_seconds=0.5), RoutePolicy(try_seconds=2.0))


def counts(**fields):
    """Counts of one request: requests, errors, slow and rescued of its arm."""
    arm = fields.get("arm", Arm.CANDIDATE)
    record = RequestRecord(
        **{
            "request_id": "a", "model": "iris", "attempt": "iris-1", "route_version": "1", "arm": arm,
            "weight": 0.2, "started_seconds": 1.0, "duration_seconds": 0.02, "status": 200,
            "answered_by": arm, **fields,
        }
    )  # fmt: skip
    look = count([record], RULES, weight=0.2)
    counted, other = (look.candidate, look.legacy) if arm is Arm.CANDIDATE else (look.legacy, look.candidate)
    assert other.requests == 0
    return (counted.requests, counted.errors, counted.slow, counted.rescued)


@pytest.mark.parametrize("arm", Arm)
@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, (1, 0, 0, 0)),
        ({"status": 400}, (1, 0, 0, 0)),
        ({"status": 503}, (1, 1, 0, 0)),
        ({"status": 429}, (1, 1, 0, 0)),
        ({"duration_seconds": 0.7}, (1, 0, 1, 0)),
        ({"duration_seconds": 0.7, "status": 500}, (1, 1, 1, 0)),
        ({"duration_seconds": 2.3}, (1, 1, 1, 0)),
        ({"duration_seconds": None, "status": None, "answered_by": None}, (1, 1, 1, 0)),
        ({"duration_seconds": 0.3, "status": 0, "answered_by": None}, (0, 0, 0, 0)),
        ({"duration_seconds": 1.3, "status": 0, "answered_by": None}, (1, 0, 1, 0)),
        ({"duration_seconds": 2.3, "status": 0, "answered_by": None}, (1, 1, 1, 0)),
    ],
)
def test_both_arms_are_held_to_the_same(arm, fields, expected):
    """Good, failed, slow, hanging and left requests count alike on either arm."""
    if "answered_by" not in fields:
        fields = {**fields, "answered_by": arm}
    assert counts(arm=arm, **fields) == expected


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"tries": 2, "duration_seconds": 0.1}, (1, 1, 0, 1)),
        ({"tries": 2, "duration_seconds": 2.1}, (1, 1, 1, 1)),
        ({"tries": 2, "duration_seconds": 2.6}, (1, 1, 1, 0)),
        ({"tries": 2, "status": 503}, (1, 1, 0, 0)),
    ],
)
def test_a_request_that_legacy_answered_is_the_candidates_error(fields, expected):
    """Rescued where legacy answered well and in time; an error of the candidate in any case."""
    assert counts(answered_by=Arm.LEGACY, **fields) == expected


def test_a_diverted_request_is_in_neither_arm():
    """Where the candidate was never tried, nothing is learnt about it; it still tells of the share."""
    assert counts(answered_by=Arm.LEGACY, tries=1) == (0, 0, 0, 0)
    record = RequestRecord(
        "a", "iris", "iris-1", "1", Arm.CANDIDATE, 0.2, 1.0, 0.02, None, 200, 1, Arm.LEGACY
    )
    assert count([record], RULES, weight=0.2).diverted == 1


@pytest.mark.parametrize(
    ("fields", "late"),
    [
        ({"first_byte_seconds": 0.1, "duration_seconds": 9.0}, 0),
        ({"first_byte_seconds": 0.3, "duration_seconds": 0.4}, 1),
        ({"first_byte_seconds": None, "duration_seconds": None, "status": None}, 1),
        ({"first_byte_seconds": 0.1, "duration_seconds": None, "status": None}, 0),
        ({"first_byte_seconds": None, "duration_seconds": 0.05, "status": 503}, 0),
        ({"first_byte_seconds": None, "duration_seconds": 0.6, "status": 503}, 1),
    ],
)
@pytest.mark.parametrize("arm", Arm)
def test_a_first_byte_is_late_by_its_own_limit(arm, fields, late):
    """Later than the limit or never is late; a request that failed before is an error and not late."""
    record = RequestRecord(
        **{
            "request_id": "a", "model": "iris", "attempt": "iris-1", "route_version": "1", "arm": arm,
            "weight": 0.2, "started_seconds": 1.0, "status": 200, "answered_by": arm, **fields,
        }
    )  # fmt: skip
    timed = CountingRules.of(Bounds(first_token=0.05, first_token_seconds=0.2), RoutePolicy(try_seconds=2.0))
    look = count([record], timed, weight=0.2)
    assert (look.candidate if arm is Arm.CANDIDATE else look.legacy).slow_first == late
    assert count([record], RULES, weight=0.2).candidate.slow_first is None


@pytest.mark.parametrize("alone", [{"first_token": 0.05}, {"first_token_seconds": 0.2}])
def test_a_bound_on_first_tokens_is_whole_or_absent(alone):
    """A share without its time limit, or the other way round, is refused."""
    with pytest.raises(ValueError, match="come together"):
        Bounds(**alone)
