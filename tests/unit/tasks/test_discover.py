import pytest

from tasks.discover import discover_estate
from tasks.plan import inventory_of
from turnout.domain.errors import NotFoundError
from turnout.domain.evidence import Phase, Verdict


def test_the_inventory_is_kept_with_its_evidence(estate):
    """What discovery found is in one file, and the evidence says what and how much."""
    evidence = discover_estate.fn()
    assert evidence.verdict is Verdict.PASS
    assert evidence.measurements["workloads"] == ["default/iris"]
    found = inventory_of(estate.wiring.state).workload("iris")
    assert found.owner == "ana"
    assert estate.wiring.evidence.history("estate", Phase.DISCOVER) == [evidence]


def test_the_same_estate_gives_the_same_evidence(estate):
    """Discovering again measures nothing anew, but brings back an inventory that was lost."""
    first = discover_estate.fn()
    (estate.wiring.state.work / "inventory.json").unlink()
    assert discover_estate.fn() == first
    assert inventory_of(estate.wiring.state).models == ("iris",)


def test_a_wrong_manifest_is_named_and_stops_no_other(estate):
    """What can be read is kept for the plan; each problem is in the evidence and in the inventory."""
    (estate.root / "manifests" / "bad.yaml").write_text("a: [\n")
    (estate.root / "manifests" / "wine.yaml").write_text(
        (estate.root / "manifests" / "iris.yaml").read_text().replace("iris", "wine")
    )
    evidence = discover_estate.fn()
    assert evidence.verdict is Verdict.PASS
    assert "bad.yaml:1" in evidence.reasons[0]
    inventory = inventory_of(estate.wiring.state)
    assert inventory.models == ("iris", "wine")
    assert len(inventory.problems) == 1


def test_where_nothing_can_be_read_the_last_inventory_stays(estate):
    """An estate that cannot be read at all is a fail, never an empty estate."""
    discover_estate.fn()
    (estate.root / "manifests" / "iris.yaml").write_text("a: [\n")
    evidence = discover_estate.fn()
    assert evidence.verdict is Verdict.FAIL
    assert "iris.yaml:1" in evidence.reasons[1]
    assert inventory_of(estate.wiring.state).models == ("iris",)


def test_manifests_without_a_model_prove_nothing(estate):
    """An estate without an InferenceService is no pass."""
    (estate.root / "manifests" / "iris.yaml").write_text("kind: ConfigMap\nmetadata: {name: c}\n")
    evidence = discover_estate.fn()
    assert evidence.verdict is Verdict.FAIL
    assert evidence.measurements["not_read"] == {"ConfigMap": 1}


def test_no_folder_is_an_error(estate):
    """A folder that is gone is said, not discovered as empty."""
    (estate.root / "manifests" / "iris.yaml").unlink()
    with pytest.raises(NotFoundError):
        discover_estate.fn()
