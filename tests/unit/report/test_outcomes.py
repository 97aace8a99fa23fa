import pytest

from turnout.domain.attempt import Outcome as Said
from turnout.report.facts import AttemptFacts, Breach
from turnout.report.gathering import gather
from turnout.report.outcomes import Outcome, outcome, span


def _stands(stage, **changed):
    (model,) = gather(stage.sources()).models
    attempt = AttemptFacts(**{**vars(model.attempts[0]), **changed})
    return outcome(model, attempt)


def test_a_rollback_after_the_cutover_is_a_rollback(stage):
    """The router's word stands above what the flows last wrote."""
    stage.attempt("iris", 1, Said.CUT_OVER, 9.0)
    stage.history("iris", "iris-1", [(1.0, "open", 0.0), (5.0, "change", 0.95), (20.0, "roll_back", 0.0)])
    assert _stands(stage) is Outcome.ROLLED_BACK


def test_without_the_flows_word_the_router_history_decides(stage):
    """With Prefect and its files gone the report still says how it went."""
    stage.history("iris", "iris-1", [(1.0, "open", 0.0), (5.0, "change", 0.5)])
    assert _stands(stage) is Outcome.IN_PROGRESS
    stage.history("iris", "iris-1", [(9.0, "change", 0.95)])
    assert _stands(stage) is Outcome.CUT_OVER


def test_an_end_before_any_traffic_is_a_stop_in_shadow(stage):
    """An attempt that never had a weight was stopped, not rolled back."""
    stage.history("iris", "iris-1", [(1.0, "open", 0.0), (5.0, "roll_back", 0.0)])
    assert _stands(stage) is Outcome.STOPPED_EARLY
    stage.compared("iris-1", (2.0, 3.0), 5)
    assert _stands(stage) is Outcome.STOPPED_IN_SHADOW


def test_the_sentinels_account_is_enough(stage):
    """A full disk can cost the history its last line; the breach is not lost with it."""
    stage.history("iris", "iris-1", [(1.0, "open", 0.0), (5.0, "change", 0.5)])
    assert _stands(stage, breach=Breach(5e9, "errors")) is Outcome.ROLLED_BACK


@pytest.mark.parametrize("said", [Said.REJECTED, Said.ABANDONED])
def test_the_owners_word_is_kept(stage, said):
    """Who rejected or abandoned an attempt finds it called so."""
    stage.attempt("iris", 1, said, 9.0)
    stage.history("iris", "iris-1", [(1.0, "open", 0.0), (5.0, "change", 0.1), (9.0, "roll_back", 0.0)])
    assert _stands(stage) == said


def test_an_attempt_without_a_trace_has_a_life_of_no_length(stage):
    """No sign of life: the span is empty instead of wrong."""
    stage.attempt("iris", 1, None, 0.0)
    (model,) = gather(stage.sources()).models
    assert span(model, model.attempts[0], 50.0).length_seconds == 0.0
