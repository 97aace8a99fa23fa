"""The order of a migration, its phases replaced by what they find; no Prefect."""

import uuid
from dataclasses import dataclass, field

import pytest

from flows import migrate as module
from flows.migrate import migrate
from turnout.domain.approval import Gate
from turnout.domain.attempt import Outcome
from turnout.domain.errors import NotFoundError, PermanentError, RefusedError
from turnout.domain.evidence import Evidence, Phase, Verdict
from turnout.domain.gate import Course, Standing
from turnout.domain.plan import PlanLine
from turnout.domain.route import Backend, Opening, Registration
from turnout.fabric.registry.evidence import MemoryEvidence
from turnout.fabric.router.memory import MemoryRouter
from turnout.settings import Settings
from turnout.wiring.migrating import Wiring, use

MODEL = "iris"


@dataclass
class World:
    """What the phases find, what the owner says, and what was done in which order."""

    wiring: Wiring
    verdicts: dict[Phase, Verdict] = field(default_factory=dict)
    words: dict[Gate, Course] = field(default_factory=dict)
    done: list[str] = field(default_factory=list)
    dies_at: Phase | None = None
    breach: bool = False

    def phase(self, phase):
        """A flow that finds what this world says."""

        def act(model=MODEL, attempt=None, *_):
            self.done.append(str(phase))
            if self.dies_at is phase:
                raise KeyboardInterrupt
            return self.found(phase, model, attempt)

        return act

    def found(self, phase, model, attempt):
        """The evidence of a phase, kept."""
        if phase is Phase.DEPLOY:
            candidate = Backend(name=attempt, port=3)
            self.wiring.router.open(Opening(model=model, attempt=attempt, candidate=candidate))
        if phase is Phase.CANARY and self.breach:
            self.wiring.router.roll_back(model, attempt, reason="errors", by="sentinel")
        verdict = (
            Verdict.FAIL if phase is Phase.CANARY and self.breach else self.verdicts.get(phase, Verdict.PASS)
        )
        evidence = Evidence(
            subject=model,
            phase=phase,
            attempt=attempt,
            inputs_digest="",
            measurements={"weight": 0.95},
            verdict=verdict,
            reasons=("as found",),
            code_version="0",
            at_seconds=float(len(self.done)),
        )
        self.wiring.evidence.write(evidence)
        return evidence

    def back(self, model, attempt, reason, by):
        """The rollback flow."""
        self.done.append("rollback")
        self.wiring.router.roll_back(model, attempt, reason=reason, by=by)

    def gate(self, gate, evidence, run):
        """The owner's word."""
        self.done.append(f"gate {gate}")
        assert evidence.attempt
        assert run
        return Standing(course=self.words.get(gate, Course.PASSED), number=1, note="my reason")


@pytest.fixture
def world(tmp_path, monkeypatch):
    """A model that the router knows, found and planned."""
    router = MemoryRouter()
    router.register(Registration(model=MODEL, listen_port=1, stable=Backend(name="iris-legacy", port=2)))
    (tmp_path / "owners.yaml").write_text("owners:\n  ana: {name: Ana, models: [iris]}\n")
    (tmp_path / "work").mkdir()
    for name in ("inventory", "plan"):
        (tmp_path / "work" / f"{name}.json").write_text("{}")
    settings = Settings(
        state=tmp_path,
        manifests=tmp_path,
        contracts=tmp_path,
        pools=tmp_path,
        owners=tmp_path / "owners.yaml",
    )
    made = World(Wiring(settings, router=router, evidence=MemoryEvidence()))
    phases = (Phase.BASELINE, Phase.PACKAGE, Phase.DEPLOY, Phase.SHADOW, Phase.CANARY, Phase.CUTOVER)
    for phase in phases:
        monkeypatch.setattr(module, str(phase), made.phase(phase))
    line = PlanLine(
        model=MODEL, namespace="default", framework="sklearn", wave=1, runtime=None, bridge=None,
        placement=None, risk=0, reasons=(), blockers=(),
    )  # fmt: skip
    fakes = {"rollback": made.back, "pass_gate": made.gate, "unblocked": lambda _state, _model: line}
    for name, fake in fakes.items():
        monkeypatch.setattr(module, name, fake)
    monkeypatch.setattr(module, "_refuse_second", lambda _attempt: None)
    use(made.wiring)
    yield made
    use(None)


def _run(monkeypatch, *, run=None, again=False):
    monkeypatch.setenv("PREFECT__RUNTIME__FLOW_RUN__ID", str(run or uuid.uuid4()))
    return migrate.fn(MODEL, again=again)


def test_a_model_goes_through_every_phase_and_gate_in_order(world, monkeypatch):
    """Nothing is skipped the first time, and the end is named on the run's page."""
    state = _run(monkeypatch)
    assert (state.name, state.is_completed()) == ("Cut over", True)
    assert world.done == [
        "baseline", "package", "deploy", "shadow", "gate canary", "canary", "gate cutover", "cutover",
    ]  # fmt: skip
    assert world.wiring.attempts.ended("iris-1").outcome is Outcome.CUT_OVER
    assert world.wiring.attempts.get("iris-1").plan_digest


def test_an_unknown_model_leaves_nothing_behind(world, monkeypatch):
    """A mistyped name is one clear error; no attempt is begun for it."""
    monkeypatch.setenv("PREFECT__RUNTIME__FLOW_RUN__ID", str(uuid.uuid4()))
    with pytest.raises(NotFoundError, match="irsi"):
        migrate.fn("irsi")
    assert world.wiring.attempts.list() == []


def test_a_failed_shadow_test_ends_the_attempt_before_any_client_saw_it(world, monkeypatch):
    """The candidate is taken back, nobody is asked, and the run says where it stopped."""
    world.verdicts[Phase.SHADOW] = Verdict.FAIL
    state = _run(monkeypatch)
    assert (state.name, state.is_failed()) == ("Stopped in shadow", True)
    assert world.done[-2:] == ["shadow", "rollback"]
    assert world.wiring.router.tombstone(MODEL, "iris-1")


@pytest.mark.parametrize("gate", [Gate.CANARY, Gate.CUTOVER])
def test_a_rejection_takes_the_attempt_back_in_the_owners_name(world, monkeypatch, gate):
    """No is no, at either gate."""
    world.words[gate] = Course.REJECTED
    state = _run(monkeypatch)
    assert state.name == "Rejected"
    end = world.wiring.attempts.ended("iris-1")
    assert (end.outcome, end.by) == (Outcome.REJECTED, "ana")
    assert "my reason" in end.reason
    assert world.done[-2:] == [f"gate {gate}", "rollback"]


def test_a_breach_ends_the_run_in_the_sentinels_words(world, monkeypatch):
    """The sentinel acted alone; the run only tells it and clears away."""
    world.breach = True
    state = _run(monkeypatch)
    assert state.name == "Rolled back"
    end = world.wiring.attempts.ended("iris-1")
    assert (end.by, end.reason) == ("sentinel", "errors")


def test_too_little_evidence_is_an_error_that_keeps_the_attempt(world, monkeypatch):
    """No data is no pass and no fail: started again, the run goes on in the same attempt."""
    run = uuid.uuid4()
    world.verdicts[Phase.SHADOW] = Verdict.HOLD
    with pytest.raises(PermanentError, match="as found"):
        _run(monkeypatch, run=run)
    world.verdicts.clear()
    assert _run(monkeypatch, run=run).name == "Cut over"
    assert [a.id for a in world.wiring.attempts.list()] == ["iris-1"]


@pytest.mark.parametrize("phase", [Phase.PACKAGE, Phase.SHADOW, Phase.CANARY, Phase.CUTOVER])
def test_a_run_that_is_killed_anywhere_ends_the_same_way(world, monkeypatch, phase):
    """Started again, it moves the same attempt to the same end; a passed shadow test is not repeated."""
    run = uuid.uuid4()
    world.dies_at = phase
    with pytest.raises(KeyboardInterrupt):
        _run(monkeypatch, run=run)
    world.dies_at = None
    done_before = list(world.done)
    assert _run(monkeypatch, run=run).name == "Cut over"
    assert [a.id for a in world.wiring.attempts.list()] == ["iris-1"]
    if phase in (Phase.CANARY, Phase.CUTOVER):
        assert "shadow" in done_before
        assert "shadow" not in world.done[len(done_before) :]


def test_going_again_is_a_new_attempt_on_an_explicit_word(world, monkeypatch):
    """An attempt that ended stays ended: a plain run is refused, `again` begins the next, gates included."""
    world.verdicts[Phase.SHADOW] = Verdict.FAIL
    first = uuid.uuid4()
    _run(monkeypatch, run=first)
    with pytest.raises(RefusedError, match="again=true"):
        _run(monkeypatch)
    world.verdicts.clear()
    world.done.clear()
    assert _run(monkeypatch, again=True).name == "Cut over"
    assert {"gate canary", "gate cutover"} <= set(world.done)
    assert [a.id for a in world.wiring.attempts.list()] == ["iris-1", "iris-2"]
    assert _run(monkeypatch, run=first).name == "Stopped in shadow", "the first run stays what it was"


def test_a_run_with_again_that_is_started_again_begins_no_third_attempt(world, monkeypatch):
    """A crash restarts the run with the same parameters; the attempt it began stays the one it moves."""
    world.verdicts[Phase.SHADOW] = Verdict.FAIL
    _run(monkeypatch)
    run = uuid.uuid4()
    for _ in range(2):
        assert _run(monkeypatch, run=run, again=True).name == "Stopped in shadow"
    assert [a.id for a in world.wiring.attempts.list()] == ["iris-1", "iris-2"]


def test_a_rollback_by_hand_between_two_phases_is_obeyed(world, monkeypatch):
    """Whoever ends the attempt while a gate waits: the run raises nothing and says so."""

    def gate(gate, evidence, run):
        world.wiring.router.roll_back(MODEL, "iris-1", reason="3 am", by="on call")
        return world.gate(gate, evidence, run)

    monkeypatch.setattr(module, "pass_gate", gate)
    state = _run(monkeypatch)
    assert state.name == "Rolled back"
    assert "canary" not in world.done
    assert world.wiring.attempts.ended("iris-1").by == "on call"


def test_a_rollback_after_the_cutover_is_told_when_the_run_is_started_again(world, monkeypatch):
    """What was cut over lives on under guard; when it is taken back, the record follows."""
    run = uuid.uuid4()
    _run(monkeypatch, run=run)
    world.done.clear()
    assert _run(monkeypatch, run=run).name == "Cut over"
    assert world.done == [], "nothing is done twice"
    world.wiring.router.roll_back(MODEL, "iris-1", reason="slow", by="sentinel")
    assert _run(monkeypatch, run=run).name == "Rolled back"
