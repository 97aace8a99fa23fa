import json

import pytest

from turnout.domain.baseline import WINDOW_SECONDS, Material, measure, own
from turnout.domain.contract import Contract, Rollout, SameAnswer
from turnout.domain.golden import usable
from turnout.domain.placement import Offer, Placement
from turnout.domain.plan import PlanLine
from turnout.domain.requests import Arm, RequestRecord
from turnout.domain.workload import Workload

CONTRACT = Contract(
    model="m",
    wire="v1",
    inputs=(),
    outputs=(),
    same_answer=SameAnswer(kind="labels"),
    rollout=Rollout(shadow_samples=30),
)


def _record(number, *, status=200, seconds=0.01, arm=Arm.LEGACY, start=1000.0):
    return RequestRecord(
        request_id=str(number),
        model="m",
        attempt=None,
        route_version="1",
        arm=arm,
        weight=0.0,
        started_seconds=start + number / 20,
        duration_seconds=seconds,
        status=status,
        answered_by=arm,
    )


def _captured(count, distinct=None):
    lines = (
        {
            "arm": "legacy",
            "method": "POST",
            "path": "/p",
            "status": 200,
            "request": json.dumps({"instances": [number % (distinct or count)]}),
            "response": json.dumps({"predictions": [number % 2]}),
        }
        for number in range(count)
    )
    return [usable(line, CONTRACT) for line in lines]


def _material(requests=200, captured=40, **fields):
    return Material([_record(number, **fields) for number in range(requests)], _captured(captured))


def _line(price):
    offer = Offer(pool="cpu", replicas_per_node=8, price_per_hour_usd=price)
    placement = Placement(best=offer, runner_up=None, dearer=(), refused={})
    facts = {"model": "m", "namespace": "default", "framework": "sklearn", "wave": 1, "risk": 0}
    return PlanLine(**facts, runtime=None, bridge=None, placement=placement, reasons=(), blockers=())


def test_only_legacys_ended_requests_of_the_window_count():
    """What the candidate got, what is in flight and what is old are not the legacy model of today."""
    now = 1000.0 + WINDOW_SECONDS
    kept, old = _record(1), _record(2, start=900.0)
    others = [_record(3, arm=Arm.CANDIDATE), _record(4, seconds=None), old]
    assert own([kept, *others], now_seconds=now) == [kept]


def test_every_number_has_its_interval_and_what_is_unknown_stays_unknown():
    """Latency and errors come with intervals; no price gives no cost, and no repeats give no noise floor."""
    found = measure(_material(), CONTRACT, None, None).measurements
    for told in found["latency_seconds"].values():
        assert told["low"] is None or told["low"] <= told["estimate"]
        assert told["high"] is None or told["high"] >= told["estimate"]
    assert found["error_rate"]["estimate"] == 0
    assert 0 < found["error_rate"]["high"] < 0.05
    assert found["throughput_per_second"] == pytest.approx(20, rel=0.02)
    assert found["noise_floor"] is None
    assert found["cost"]["usd_per_1000_requests"] is None
    assert found["dependencies"] is None
    assert found["golden_requests"] == 40
    json.dumps(found, allow_nan=False)


def test_the_cost_is_price_over_traffic():
    """1,000 requests at 20 a second take 50 s: at 3.6 USD an hour 0.05 USD, with what that assumes."""
    workload = Workload(name="m", framework="sklearn", dependencies=("secret/s",))
    found = measure(_material(requests=2001), CONTRACT, workload, _line(3.6)).measurements
    assert found["cost"]["usd_per_1000_requests"] == pytest.approx(0.05, rel=0.01)
    assert "pool cpu" in found["cost"]["assumes"]
    assert found["dependencies"] == ["secret/s"]


def test_an_unknown_price_is_an_unknown_cost():
    """Unknown is never zero."""
    found = measure(_material(), CONTRACT, None, _line(None)).measurements
    assert found["cost"]["usd_per_1000_requests"] is None


def test_nothing_measured_is_no_crash():
    """With no traffic at all the record still says so, in plain JSON."""
    found = measure(Material([], []), CONTRACT, None, None)
    assert found.golden == []
    json.dumps(found.measurements, allow_nan=False)
