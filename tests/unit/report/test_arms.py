from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from turnout.domain.requests import Arm, RequestRecord
from turnout.report.arms import baseline, candidate, quantile, rate
from turnout.report.facts import AttemptFacts, ModelFacts
from turnout.report.outcomes import Span

LIFE = Span(0.0, 100.0, over=True)
ATTEMPT = AttemptFacts(id="iris-1", number=1)
LEGACY = RequestRecord(
    request_id="1", model="iris", attempt="iris-1", route_version="v", arm=Arm.LEGACY, weight=0.1,
    started_seconds=10.0, duration_seconds=0.01, status=200, answered_by=Arm.LEGACY,
)  # fmt: skip
CANDIDATE = replace(LEGACY, arm=Arm.CANDIDATE, answered_by=Arm.CANDIDATE)


@given(st.lists(st.floats(1e-4, 60), min_size=1, max_size=300), st.sampled_from([0.5, 0.95, 0.99]))
def test_a_quantile_lies_in_its_interval(seconds, share):
    """The number shown is never outside of the interval shown with it."""
    found = quantile(seconds, share)
    assert found.low is None or found.low <= found.estimate
    assert found.high is None or found.high >= found.estimate


@given(st.integers(0, 400).flatmap(lambda total: st.tuples(st.integers(0, total), st.just(total))))
def test_a_rate_lies_in_its_interval(counts):
    """The same for shares; without a request there is none."""
    found = rate(*counts)
    if counts[1] == 0:
        assert found.estimate is None
    else:
        assert 0 <= found.low <= found.estimate <= found.high <= 1


def test_no_data_is_not_zero():
    """An arm without requests has no latency, no error rate and no throughput, rather than perfect ones."""
    found = candidate(ModelFacts("iris"), ATTEMPT)
    assert (found.requests, found.error_rate.estimate, found.throughput_per_second) == (0, None, None)
    assert found.latency_seconds["p50"].estimate is None


def test_each_request_belongs_to_the_arm_the_router_chose():
    """A rescue is the candidate's request; a diverted one is nobody's; one in flight is not counted yet."""
    rescued = replace(CANDIDATE, tries=2, answered_by=Arm.LEGACY)
    diverted = replace(CANDIDATE, answered_by=Arm.LEGACY)
    flying = replace(LEGACY, duration_seconds=None, status=None)
    model = ModelFacts("iris", requests=(LEGACY, CANDIDATE, rescued, diverted, flying))
    assert baseline(model, LIFE).requests == 1
    mine = candidate(model, ATTEMPT)
    assert (mine.requests, mine.error_rate.estimate) == (2, 0.5)


def test_a_client_that_left_says_nothing_about_the_server():
    """Impatient clients do not make an arm look bad."""
    model = ModelFacts("iris", requests=(CANDIDATE, replace(CANDIDATE, status=0)))
    assert candidate(model, ATTEMPT).error_rate.estimate == 0


def test_legacy_is_measured_while_the_attempt_lived():
    """Both arms are seen under the same conditions: before and after do not count."""
    model = ModelFacts("iris", requests=(LEGACY, replace(LEGACY, started_seconds=500.0)))
    assert baseline(model, LIFE).requests == 1
