import numpy as np
import pytest

from turnout.domain.guard import share_fits


def test_sound_telemetry_is_called_wrong_as_rarely_as_stated(alarms_allowed):
    """Over a thousand looks together, a router that keeps its weight is doubted as rarely as stated."""
    random = np.random.default_rng(3)
    doubted = 0
    for _ in range(100):
        requests = random.poisson(20, 1000)
        chosen = random.binomial(requests, 0.1).cumsum()
        doubted += not all(
            share_fits(int(hits), int(total), 0.1, false_alarm=0.05)
            for hits, total in zip(chosen, requests.cumsum(), strict=True)
        )
    assert doubted <= alarms_allowed(100, 0.05)


@pytest.mark.parametrize(("chosen", "requests", "weight"), [(0, 400, 0.1), (400, 400, 0.5), (90, 200, 0.2)])
def test_a_share_that_does_not_fit_is_seen(chosen, requests, weight):
    """An arm that is missing or counted twice is noticed within seconds of traffic."""
    assert not share_fits(chosen, requests, weight)


@pytest.mark.parametrize(("chosen", "fits"), [(0, True), (1, False)])
def test_at_weight_zero_one_request_is_too_many(chosen, fits):
    """Without a weight the candidate has no requests."""
    assert share_fits(chosen, 100, 0.0) is fits
