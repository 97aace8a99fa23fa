"""`pause`, `resume`, `abandon`, `status` and `code`, with Prefect, MLflow and the sentinel down."""

import json

import pytest
from click.testing import CliRunner

from turnout.cli import abandon, code, pause, resume, status
from turnout.domain.approval import Gate
from turnout.domain.attempt import Outcome, Progress
from turnout.domain.contract import AnswerKind, Contract, SameAnswer, Tensor, Wire
from turnout.domain.errors import NotFoundError
from turnout.domain.evidence import Evidence, Phase, Verdict
from turnout.domain.gate import Ask
from turnout.domain.route import Backend, Opening, Registration, RouteChange
from turnout.fabric import contracts
from turnout.fabric.attempts import AttemptFiles
from turnout.fabric.router.memory import MemoryRouter
from turnout.settings import VARIABLE, Settings
from turnout.wiring import guarding

TENSOR = Tensor(name="x", datatype="FP64", shape=(-1, 4))
DOWN = "http://127.0.0.1:9"  # nobody listens there


@pytest.fixture
def world(state, tmp_path, monkeypatch):
    """Iris at 10 % in its first attempt; Prefect and the sentinel do not answer."""
    router = MemoryRouter()
    router.register(Registration(model="iris", listen_port=1, stable=Backend(name="iris-legacy", port=2)))
    router.open(Opening(model="iris", attempt="iris-1", candidate=Backend(name="iris-1", port=3)))
    change = RouteChange(
        model="iris",
        attempt="iris-1",
        read_version=router.read("iris").version,
        weight=0.1,
        step_lease_seconds=300,
    )
    router.change(change)
    same = SameAnswer(kind=AnswerKind.LABELS)
    contracts.write(
        tmp_path / "contracts",
        Contract(model="iris", wire=Wire.V1, inputs=(TENSOR,), outputs=(TENSOR,), same_answer=same),
    )
    (tmp_path / "owners.yaml").write_text("owners:\n  ana: {name: Ana, models: [iris]}\n")
    settings = Settings(
        state=state.root,
        manifests=tmp_path,
        contracts=tmp_path / "contracts",
        pools=tmp_path,
        owners=tmp_path / "owners.yaml",
        prefect_api=f"{DOWN}/api",
        sentinel=DOWN,
    )
    settings.write(tmp_path / "turnout.yaml")
    monkeypatch.setenv(VARIABLE, str(tmp_path / "turnout.yaml"))
    monkeypatch.setattr(guarding, "router", lambda _settings: router)
    attempts = AttemptFiles(state)
    attempts.new("iris")
    attempts.note("iris-1", Progress(doing="canary", run="0", at_seconds=1))
    return router, attempts


def _call(command, *arguments):
    result = CliRunner().invoke(command, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_a_paused_migration_keeps_its_weight_for_as_long_as_a_gate_may(world):
    """The weight stays, the step lease is extended, and who holds it is kept until somebody lifts it."""
    router, attempts = world
    said = _call(pause.command, "iris", "--reason", "lunch", "--by", "ana")
    route = router.read("iris")
    assert (route.weight, route.step_lease_seconds) == (0.1, 86_400)
    assert "held at 10%" in said
    assert attempts.held("iris-1").by == "ana"
    _call(resume.command, "iris")
    assert attempts.held("iris-1") is None
    assert "not held" in _call(resume.command, "iris")


def test_an_abandoned_migration_is_over_at_once_without_prefect(world):
    """Traffic goes back first; the record says who and why; a second word finds nothing to end."""
    router, attempts = world
    said = _call(abandon.command, "iris", "--reason", "too slow", "--by", "ana")
    assert router.read("iris").weight == 0
    assert router.tombstone("iris", "iris-1").by == "ana"
    end = attempts.ended("iris-1")
    assert (end.outcome, end.by, end.reason) == (Outcome.ABANDONED, "ana", "too slow")
    assert "Prefect does not answer" in said
    with pytest.raises(NotFoundError):
        _call(abandon.command, "iris", "--reason", "again")


def test_the_status_is_told_with_everything_else_down(world):
    """What cannot be known is unknown, never left out and never an error."""
    del world
    (row,) = json.loads(_call(status.command, "-o", "json"))
    assert row == {
        "model": "iris",
        "attempt": "iris-1",
        "doing": "canary",
        "weight": "10%",
        "capture": "0%",
        "sentinel": "unknown",
        "run": "unknown",
        "waits_for": "-",
    }


def test_the_status_names_who_is_waited_for_and_how_it_ended(world):
    """An open gate, a hold and an end are each told in words."""
    router, attempts = world
    evidence = Evidence(
        subject="iris",
        phase=Phase.CANARY,
        attempt="iris-1",
        inputs_digest="",
        verdict=Verdict.PASS,
        code_version="0",
        at_seconds=1,
    )
    ask = Ask(model="iris", attempt="iris-1", gate=Gate.CUTOVER, number=1, owner="ana", evidence=evidence)
    attempts.ask("iris-1", ask)
    assert "ana at gate cutover" in _call(status.command, "iris")
    _call(pause.command, "iris", "--reason", "lunch", "--by", "bo")
    assert "held by bo: lunch" in _call(status.command)
    router.roll_back("iris", "iris-1", reason="errors", by="sentinel")
    assert "rolled back by sentinel: errors" in _call(status.command)


def test_a_model_that_is_not_moved_is_an_error_with_a_remedy(world):
    """Nothing is changed for a name that nobody knows."""
    del world
    for command in (pause.command, abandon.command):
        with pytest.raises(NotFoundError):
            _call(command, "unknown", "--reason", "x")
    with pytest.raises(NotFoundError):
        _call(status.command, "unknown")


def test_an_enrolled_owner_reads_their_code(world):
    """Six digits for who is enrolled; a name outside the owners file is an error."""
    del world
    assert _call(code.command, "ana", "--enrol").startswith("otpauth://totp/")
    assert len(_call(code.command, "ana").strip()) == 6
    with pytest.raises(NotFoundError, match="ana"):
        _call(code.command, "nobody")
