import concurrent.futures

import pytest

from turnout.domain.approval import Gate
from turnout.domain.attempt import End, Hold, Outcome, Progress
from turnout.domain.canary import StepResult
from turnout.domain.errors import NotFoundError
from turnout.domain.evidence import Evidence, Phase, Verdict
from turnout.domain.gate import Ask
from turnout.fabric.attempts import AttemptFiles
from turnout.fabric.state import State


@pytest.fixture
def attempts(state: State) -> AttemptFiles:
    """No attempts yet."""
    return AttemptFiles(state)


def _end(outcome: Outcome) -> End:
    return End(outcome=outcome, by="ana", reason="because", at_seconds=1.0)


def test_attempts_are_numbered_and_no_number_comes_twice(attempts: AttemptFiles):
    """An attempt's id names one attempt for ever, also when many begin at once."""
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: attempts.new("iris").id, range(16)))
    assert sorted(found) == sorted(f"iris-{n}" for n in range(1, 17))
    assert [a.number for a in attempts.list("iris")] == list(range(1, 17))


def test_models_whose_names_begin_alike_keep_their_own_numbers(attempts: AttemptFiles):
    """`iris` and `iris-2` are two models."""
    attempts.new("iris-2")
    assert attempts.new("iris").id == "iris-1"
    assert attempts.new("iris-2").id == "iris-2-2"
    assert [a.id for a in attempts.list("iris")] == ["iris-1"]


def test_what_is_saved_is_what_is_read(attempts: AttemptFiles):
    """The package of an attempt is found again by another process."""
    attempt = attempts.new("iris").model_copy(update={"package": "7"})
    attempts.save(attempt)
    assert attempts.get("iris-1") == attempt
    with pytest.raises(NotFoundError):
        attempts.get("iris-2")


@pytest.mark.parametrize("outcome", list(Outcome))
def test_an_attempt_that_is_over_is_not_current(attempts: AttemptFiles, outcome: Outcome):
    """Only what is cut over lives on after its end."""
    attempts.new("iris")
    attempts.end("iris-1", _end(outcome))
    current = attempts.current("iris")
    assert (current is not None) == (outcome is Outcome.CUT_OVER)
    newest = attempts.newest("iris")
    assert newest is not None
    assert newest.id == "iris-1"


def test_the_course_of_an_attempt_is_kept_beside_it(attempts: AttemptFiles):
    """Hold, progress, ask and steps are found again, lifted ones are gone, none is taken for an attempt."""
    attempts.new("iris")
    hold, progress = Hold(by="ana", reason="r", at_seconds=1), Progress(doing="canary", run="x", at_seconds=2)
    evidence = Evidence(
        subject="iris",
        phase=Phase.SHADOW,
        attempt="iris-1",
        inputs_digest="",
        verdict=Verdict.PASS,
        code_version="",
        at_seconds=0,
    )
    ask = Ask(model="iris", attempt="iris-1", gate=Gate.CANARY, number=1, owner="ana", evidence=evidence)
    attempts.hold("iris-1", hold)
    attempts.note("iris-1", progress)
    attempts.ask("iris-1", ask)
    for weight in (0.25, 0.1):
        attempts.keep_step("iris-1", StepResult(weight=weight, seconds=1))
    assert (attempts.held("iris-1"), attempts.progress("iris-1"), attempts.asked("iris-1")) == (
        hold,
        progress,
        ask,
    )
    assert [s.weight for s in attempts.steps("iris-1")] == [0.1, 0.25]
    attempts.hold("iris-1", None)
    attempts.ask("iris-1", None)
    attempts.ask("iris-1", None)
    assert attempts.held("iris-1") is None
    assert attempts.asked("iris-1") is None
    assert [a.id for a in attempts.list()] == ["iris-1"]


def test_a_run_is_bound_to_one_attempt_for_good(attempts: AttemptFiles):
    """However often a run starts again, it moves no other attempt."""
    assert attempts.bound("run") is None
    assert attempts.bind("run", "iris-1") == "iris-1"
    assert attempts.bind("run", "iris-2") == "iris-1"
    assert attempts.bound("run") == "iris-1"
