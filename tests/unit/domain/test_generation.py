import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnout.domain.generation import GenerationBounds, StreamRecord, cost, good, measured


def stream(due=0.0, first=0.5, gap=0.1, tokens=5, prompt=10):
    """One streamed answer."""
    times = tuple(due + first + gap * number for number in range(tokens))
    return StreamRecord(due, times, times[-1], prompt_tokens=prompt, completion_tokens=tokens)


def test_first_token_and_pace_are_measured_from_the_moment_that_was_due():
    """Ten equal requests, one a second: every figure is known by heart."""
    found = measured([stream(due=float(n)) for n in range(10)], GenerationBounds(1.0, 0.2))
    assert found["time_to_first_token_seconds"]["p50"]["estimate"] == pytest.approx(0.5)
    assert found["time_between_tokens_seconds"]["p95"]["estimate"] == pytest.approx(0.1)
    assert found["gap_seconds"]["p50"]["estimate"] == pytest.approx(0.1)
    assert found["window_seconds"] == pytest.approx(9.9)
    assert found["tokens_per_second"] == pytest.approx({"in": 100 / 9.9, "out": 50 / 9.9})
    assert found["goodput_per_second"] == pytest.approx(10 / 9.9)


def test_a_server_that_stalls_cannot_hide():
    """Requests that were due while it stood still have waited, whenever the client got round to them."""
    stalled = [StreamRecord(float(n), (10.0,), 10.0, 1, 1) for n in range(10)]
    assert measured(stalled)["time_to_first_token_seconds"]["p50"]["estimate"] == pytest.approx(5.5)


def test_pieces_of_several_tokens_have_the_pace_of_their_tokens():
    """A server that sends four tokens a piece is as fast as its tokens, and its gaps are told apart."""
    record = StreamRecord(0.0, (1.0, 2.0), 2.0, prompt_tokens=1, completion_tokens=9)
    assert record.between_seconds == pytest.approx(1 / 8)
    assert measured([record])["gap_seconds"]["p50"]["estimate"] == pytest.approx(1.0)


def test_goodput_counts_only_what_met_every_bound():
    """A fast first token with a slow pace is no good request, nor is one that broke off."""
    bounds = GenerationBounds(first_token_seconds=1.0, between_seconds=0.2)
    assert good(stream(), bounds)
    assert not good(stream(first=1.1), bounds)
    assert not good(stream(gap=0.3), bounds)
    assert not good(StreamRecord(0.0, (0.5, 0.6)), bounds)
    assert good(StreamRecord(0.0, (0.5,), 0.5, completion_tokens=1), bounds)


def test_what_is_not_known_is_not_zero():
    """No streams, no counts of tokens, no price: unknown."""
    nothing = measured([])
    assert nothing["requests_per_second"] is None
    assert nothing["time_to_first_token_seconds"] == {}
    uncounted = measured([StreamRecord(0.0, (0.5,), 1.0), stream()])
    assert uncounted["tokens_per_second"] == {"in": None, "out": None}
    assert set(cost([stream()], None).values()) == {None}
    assert cost([StreamRecord(0.0, (0.5,), 1.0)], 1.0)["usd_per_million_tokens_out"] is None


def test_cost_is_the_window_s_over_what_was_served():
    """At 3.6 USD an hour a window of 9.9 s costs 0.0099 USD: for 10 answers, 100 tokens in and 50 out."""
    found = cost([stream(due=float(n)) for n in range(10)], 3.6)
    assert found["usd_per_1000_requests"] == pytest.approx(0.99)
    assert found["usd_per_million_tokens_in"] == pytest.approx(99.0)
    assert found["usd_per_million_tokens_out"] == pytest.approx(198.0)


REQUESTS = st.tuples(st.floats(0, 100), st.floats(0.001, 10), st.integers(1, 20))


@given(st.lists(REQUESTS, min_size=1, max_size=40))
def test_figures_are_ordered_and_bounded(given_):
    """Quantiles rise, lie within their intervals, and the goodput is never above the requests a second."""
    records = [stream(due=due, first=first, gap=0.05, tokens=tokens) for due, first, tokens in given_]
    found = measured(records, GenerationBounds(1.0, 0.1))
    ttft = found["time_to_first_token_seconds"]
    assert ttft["p50"]["estimate"] <= ttft["p95"]["estimate"] <= ttft["p99"]["estimate"]
    assert 0 <= found["goodput_per_second"] <= found["requests_per_second"] + 1e-9
