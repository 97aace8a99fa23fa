import pytest

from tasks.discover import discover_estate
from tasks.plan import plan_estate
from tasks.plan_lines import unblocked, waves
from turnout.domain.errors import InvalidInputError, NotFoundError, RefusedError
from turnout.domain.evidence import Verdict
from turnout.domain.plan import Plan, PlanLine
from turnout.fabric.state import State


def test_the_plan_is_kept_with_its_evidence(estate):
    """The plan is a file that a migration reads its line from, and the same plan is not found twice."""
    discover_estate.fn()
    evidence = plan_estate.fn()
    assert evidence.verdict is Verdict.PASS
    assert evidence.measurements["models"][0]["pool"] == "cpu"
    line = unblocked(estate.wiring.state, "iris")
    assert (line.runtime, line.bridge, line.digest) == (
        "triton",
        "ray_serve",
        evidence.measurements["models"][0]["digest"],
    )
    assert plan_estate.fn() == evidence


def test_another_price_is_another_plan(estate):
    """Evidence for one pools file never stands for another."""
    discover_estate.fn()
    first = plan_estate.fn()
    (estate.root / "pools.yaml").write_text((estate.root / "pools.yaml").read_text().replace("0.4", "0.8"))
    assert plan_estate.fn().inputs_digest != first.inputs_digest


def test_a_blocked_model_may_not_move(estate):
    """A migration of a model that needs an owner's word first is refused, with the blockers."""
    (estate.root / "contracts" / "iris.yaml").unlink()
    discover_estate.fn()
    plan_estate.fn()
    with pytest.raises(RefusedError, match="no_contract"):
        unblocked(estate.wiring.state, "iris")


@pytest.mark.parametrize("file", ["pools.yaml", "contracts/iris.yaml"])
def test_a_wrong_file_leaves_the_last_plan_in_place(estate, file):
    """Nothing half applied: the error names the file, and the plan that was there stays."""
    discover_estate.fn()
    plan_estate.fn()
    before = (estate.wiring.state.work / "plan.json").read_text()
    (estate.root / file).write_text("model: 3\n")
    with pytest.raises(InvalidInputError, match=file):
        plan_estate.fn()
    assert (estate.wiring.state.work / "plan.json").read_text() == before


def test_there_is_no_plan_before_discovery(estate):
    """Each missing step names the one that has to come first."""
    with pytest.raises(NotFoundError, match="Run discover"):
        plan_estate.fn()
    with pytest.raises(NotFoundError, match="Run discover and plan"):
        unblocked(estate.wiring.state, "iris")
    discover_estate.fn()
    plan_estate.fn()
    with pytest.raises(NotFoundError, match="plan of wine"):
        unblocked(estate.wiring.state, "wine")


def test_a_wave_is_in_the_order_of_the_plan_or_of_the_names(tmp_path):
    """Waves come first to last whatever is named first; what is not named stays where it is."""
    lines = [
        PlanLine(
            model=model, namespace="default", framework="sklearn", wave=wave, runtime=None, bridge=None,
            placement=None, risk=0, reasons=(), blockers=(),
        )
        for model, wave in (("d", 2), ("a", 1), ("b", 1), ("c", 1))
    ]  # fmt: skip
    state = State(tmp_path)
    state.work.mkdir(parents=True)
    (state.work / "plan.json").write_text(Plan(lines=tuple(lines)).model_dump_json())
    assert waves(state, None) == {1: ["a", "b", "c"], 2: ["d"]}
    assert list(waves(state, ["d", "c", "a"]).items()) == [(1, ["c", "a"]), (2, ["d"])]
