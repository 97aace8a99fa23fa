"""Retire and restore as flows: the gate between the evidence and the act; no Prefect."""

import uuid

import pytest

from flows import retire as module
from flows.migrate import migrate
from flows.retire import restore, retire
from turnout.domain.approval import Gate
from turnout.domain.attempt import End, Outcome, Retirement
from turnout.domain.errors import PermanentError, RefusedError
from turnout.domain.evidence import Evidence, Phase, Verdict
from turnout.domain.gate import Course, Standing
from turnout.domain.route import Backend, Registration
from turnout.fabric.registry.evidence import MemoryEvidence
from turnout.fabric.router.memory import MemoryRouter
from turnout.settings import Settings
from turnout.wiring.migrating import Wiring, use


class World:
    """What the tasks find, what the owner says, and what was done."""

    def __init__(self, wiring):
        """Fit, and approved."""
        self.wiring, self.done = wiring, []
        self.verdict, self.word = Verdict.PASS, Course.PASSED

    def fit(self, model, attempt):
        """The evidence."""
        self.done.append("fit")
        evidence = Evidence(
            subject=model, phase=Phase.RETIRE, attempt=attempt, inputs_digest="", verdict=self.verdict,
            reasons=("2 days",), code_version="0", at_seconds=float(len(self.done)),
        )  # fmt: skip
        self.wiring.evidence.write(evidence)
        return evidence

    def gate(self, gate, evidence, run):
        """The owner's word."""
        assert (gate, evidence.attempt) == (Gate.RETIRE, "iris-1")
        assert run
        self.done.append("gate")
        return Standing(course=self.word, number=1, note="not yet") if self.word else None

    def act(self, model, attempt):
        """The act."""
        self.done.append("retire")
        legacy = Backend(name="iris-legacy", port=2)
        kept = Retirement(model=model, attempt=attempt, stable=legacy, successor=legacy, at_seconds=1.0)
        self.wiring.attempts.retire(attempt, kept)
        end = End(outcome=Outcome.RETIRED, by="ana", reason="retired", at_seconds=2.0)
        self.wiring.attempts.end(attempt, end)
        return end


@pytest.fixture
def world(tmp_path, monkeypatch):
    """A model that was cut over."""
    router = MemoryRouter()
    router.register(Registration(model="iris", listen_port=1, stable=Backend(name="iris-legacy", port=2)))
    settings = Settings(**dict.fromkeys(("state", "manifests", "contracts", "pools", "owners"), tmp_path))
    made = World(Wiring(settings, router=router, evidence=MemoryEvidence()))
    made.wiring.attempts.new("iris")
    cut_over = End(outcome=Outcome.CUT_OVER, by="migrate", reason="95%", at_seconds=1.0)
    made.wiring.attempts.end("iris-1", cut_over)
    for name, fake in {
        "fit_to_retire": made.fit, "pass_gate": made.gate, "retire_legacy": made.act, "show": lambda _: None,
        "restore_legacy": lambda *_: made.done.append("restore"),
        "clear_away": lambda *_: made.done.append("clear away"),
    }.items():  # fmt: skip
        monkeypatch.setattr(module, name, fake)
    monkeypatch.setenv("PREFECT__RUNTIME__FLOW_RUN__ID", str(uuid.uuid4()))
    use(made.wiring)
    yield made
    use(None)


def test_legacy_is_retired_behind_its_gate(world):
    """Evidence, the owner's word, the act, in this order; a second run does not ask again."""
    state = retire.fn("iris")
    assert (state.name, state.is_completed()) == ("Legacy retired", True)
    assert world.done == ["fit", "gate", "retire"]
    assert retire.fn("iris").name == "Legacy retired"
    assert world.done == ["fit", "gate", "retire", "retire"]


def test_the_owner_may_say_no(world):
    """Nothing is done, and the model stays cut over."""
    world.word = Course.REJECTED
    assert retire.fn("iris").name == "Rejected"
    assert world.done == ["fit", "gate"]
    assert world.wiring.attempts.ended("iris-1").outcome is Outcome.CUT_OVER


def test_an_attempt_that_ends_while_its_owner_thinks_is_not_retired(world):
    """The gate says so, and legacy has everything by then."""
    world.word = None
    assert retire.fn("iris").name == "Rolled back"
    assert world.done == ["fit", "gate"]


def test_nobody_is_asked_before_it_is_fit(world):
    """What is missing is said in one error."""
    world.verdict = Verdict.HOLD
    with pytest.raises(PermanentError, match="2 days"):
        retire.fn("iris")
    assert world.done == ["fit"]


def test_a_model_that_is_not_cut_over_is_refused(world):
    """There is nothing that could stand in legacy's place."""
    world.wiring.attempts.new("iris")
    with pytest.raises(RefusedError, match="iris-2 is under way"):
        retire.fn("iris")


@pytest.mark.usefixtures("world")
def test_a_retired_model_is_not_moved_again(monkeypatch):
    """Without legacy there is nothing to compare a candidate with: it has to be brought back first."""
    retire.fn("iris")
    monkeypatch.setenv("PREFECT__RUNTIME__FLOW_RUN__ID", str(uuid.uuid4()))
    with pytest.raises(RefusedError, match="restore"):
        migrate.fn("iris", again=True)


def test_restore_clears_away_what_had_legacys_place(world):
    """Once legacy has its traffic, and not before."""
    restore.fn("iris", "too slow", "ana")
    assert world.done == ["restore", "clear away"]
