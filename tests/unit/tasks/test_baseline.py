import json

import pytest

from tasks.baseline import TABLES, golden_file, measure_baseline
from tasks.discover import discover_estate
from tasks.plan import plan_estate
from turnout.domain.errors import RefusedError
from turnout.domain.evidence import Phase, Verdict
from turnout.domain.route import Backend, Opening, RouteChange


@pytest.fixture
def planned(estate):
    """The estate, discovered and planned."""
    discover_estate.fn()
    plan_estate.fn()
    return estate


def test_the_baseline_is_measured_and_the_golden_set_kept(planned):
    """From telemetry and captures alone: latency, errors, cost, coverage, and the golden set as captured."""
    planned.traffic(400)
    planned.captures(45)
    evidence = measure_baseline.fn("iris")
    assert (evidence.verdict, evidence.reasons) == (Verdict.PASS, ())
    assert evidence.measurements["requests"] == 400
    assert evidence.measurements["golden_coverage"] == {"0": 15, "1": 15, "2": 15}
    assert evidence.measurements["cost"]["usd_per_1000_requests"] > 0
    assert evidence.measurements["dependencies"] == ["volume/models"]
    golden = [json.loads(line) for line in golden_file(planned.wiring.state, "iris").read_text().splitlines()]
    assert len(golden) == 45
    assert golden[0]["path"] == "/v1/models/iris:predict"


def test_fresh_evidence_is_not_measured_again(planned):
    """A second run finds the first one's pass; without its golden set it measures anew."""
    planned.traffic(400)
    planned.captures(45)
    first = measure_baseline.fn("iris")
    planned.captures(50)
    assert measure_baseline.fn("iris") == first
    golden_file(planned.wiring.state, "iris").unlink()
    assert measure_baseline.fn("iris").measurements["golden_requests"] == 50


def test_another_legacy_server_is_another_model(planned):
    """A baseline holds for the servers that it was measured on, not for others of the same name."""
    planned.traffic(400)
    planned.captures(45)
    first = measure_baseline.fn("iris")
    planned.wiring.router._registered["iris"] = planned.wiring.router._registered["iris"].model_copy(
        update={"stable": Backend(name="iris-legacy", port=9)}
    )
    assert measure_baseline.fn("iris").inputs_digest != first.inputs_digest


@pytest.mark.parametrize(("requests", "captures"), [(0, 0), (400, 0), (0, 45)])
def test_too_little_holds_and_keeps_no_golden_set(planned, requests, captures):
    """No data is never a pass: after the contract's time it is a hold that says what is missing."""
    planned.traffic(requests)
    planned.captures(captures)
    evidence = measure_baseline.fn("iris")
    assert evidence.verdict is Verdict.HOLD
    assert all("is not met: 0 rows" in reason for reason in evidence.reasons)
    assert not golden_file(planned.wiring.state, "iris").exists()


@pytest.mark.parametrize("table", TABLES)
def test_a_suite_that_is_not_met_holds_and_is_named(planned, table):
    """Whichever of the suites it is: the phase holds, says which expectation, and keeps no golden set."""
    planned.traffic(400)
    planned.captures(45)
    planned.expecting.unmet = {table}
    evidence = measure_baseline.fn("iris")
    assert evidence.verdict is Verdict.HOLD
    assert evidence.reasons == (
        f"{table}: expect_enough is not met: {_rows(evidence, table)} (suite.yaml:5)",
    )
    assert evidence.measurements["unmet_expectations"][0]["suite"] == table
    assert not golden_file(planned.wiring.state, "iris").exists()
    planned.expecting.unmet = set()
    assert measure_baseline.fn("iris").verdict is Verdict.PASS


def _rows(evidence, table):
    told = {line["suite"]: line for line in evidence.measurements["expectations"]}
    return f"{told[table]['rows']} rows"


def test_an_owners_suite_is_another_input(planned):
    """Evidence for one suite is none for another: an edited suite is held against what there is now."""
    planned.traffic(400)
    planned.captures(45)
    first = measure_baseline.fn("iris")
    file = planned.root / "contracts" / "expectations" / "iris" / "baseline.yaml"
    file.write_text(file.read_text().replace("{$PARAMETER: least_requests}", "300"))
    again = measure_baseline.fn("iris")
    assert again.inputs_digest != first.inputs_digest
    assert "min_value: 300" in file.read_text()
    assert planned.expecting.pages == ["iris baseline", "iris baseline"]


def test_capture_is_on_while_measuring_and_as_before_afterwards(planned, monkeypatch):
    """Capture costs production a little: it is turned on to measure and then put back."""
    seen = []
    read = planned.log.read
    monkeypatch.setattr(
        planned.log,
        "read",
        lambda *given: (seen.append(planned.wiring.router.read("iris").capture_share), read(*given))[1],
    )
    measure_baseline.fn("iris")
    assert set(seen) == {0.5}
    assert planned.wiring.router.read("iris").capture_share == 0


def test_a_live_attempts_capture_is_left_alone(planned):
    """Measuring beside a live attempt changes nothing of its route."""
    router = planned.wiring.router
    router.open(Opening(model="iris", attempt="iris-1", candidate=Backend(name="iris-1", port=3)))
    route = router.read("iris")
    before = router.change(
        RouteChange(model="iris", attempt="iris-1", read_version=route.version, capture_share=0.2)
    )
    measure_baseline.fn("iris")
    assert router.read("iris") == before


def test_a_blocked_model_is_not_measured(planned):
    """What stands in a migration's way is said at its start."""
    (planned.root / "contracts" / "iris.yaml").unlink()
    plan_estate.fn()
    with pytest.raises(RefusedError, match="no_contract"):
        measure_baseline.fn("iris")
    assert planned.wiring.evidence.history("iris", Phase.BASELINE) == []
