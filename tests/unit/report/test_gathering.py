import pytest

from turnout.domain.errors import UnreachableError
from turnout.report.gathering import gather


class DeadStore:
    """An evidence store that does not answer."""

    def history(self, *_):
        """Fail as the real one does."""
        raise UnreachableError("MLflow", observed="no answer", limit="an answer", remedy="Start it.")


def test_an_empty_state_directory_is_no_error(stage):
    """Before anything has happened there is nothing to report, and that is all."""
    facts = gather(stage.sources())
    assert (facts.models, facts.notes) == ((), ())


def test_a_line_still_being_written_is_left_for_the_next_time(stage):
    """On a live system the last line may be half there: no note, no loss of the lines before it."""
    stage.traffic("iris", [(0.0, None, 0.0)])
    whole = len(gather(stage.sources()).models[0].calls)
    with stage.state.client("iris").open("a") as out:
        out.write('{"id": "x", "sched')
    facts = gather(stage.sources())
    assert (len(facts.models[0].calls), facts.notes) == (whole, ())


def test_lines_that_cannot_be_read_are_told(stage):
    """A broken line is left out and said to be: nothing is lost silently."""
    stage.traffic("iris", [(0.0, None, 0.0)])
    with stage.state.client("iris").open("a") as out:
        out.write('not JSON\n{"id": "no times"}\n')
    assert gather(stage.sources()).notes == ("2 lines of client/iris.jsonl could not be read.",)


def test_a_broken_record_is_told_and_the_rest_is_read(stage):
    """One torn file does not keep the report from coming out."""
    attempt = stage.attempt("iris", 1, None, 0.0)
    (stage.state.attempts / f"{attempt}.json").write_text("{")
    facts = gather(stage.sources())
    assert [a.id for a in facts.models[0].attempts] == [attempt]
    assert facts.notes[0].startswith(f"Could not read the record of {attempt}")


def test_an_evidence_store_that_does_not_answer_is_asked_once(stage):
    """MLflow may be down on the worst day: one note, not one wait a model."""
    for model in ("iris", "cancer"):
        stage.attempt(model, 1, None, 0.0)
    sources = stage.sources()
    sources.evidence = DeadStore()
    notes = gather(sources).notes
    assert len(notes) == 1
    assert "MLflow" in notes[0]


def test_attempts_are_found_by_any_trace(stage):
    """An attempt whose record is lost still has a report, from the router's history or the comparisons."""
    stage.history("iris", "iris-3", [(1.0, "open", 0.0)])
    stage.compared("cancer-2", (1.0, 2.0), 3)
    found = {a.id for m in gather(stage.sources()).models for a in m.attempts}
    assert found == {"iris-3", "cancer-2"}


def test_comparisons_set_aside_are_read_too(stage):
    """A comparisons file that grew large is renamed; the report has both parts."""
    stage.compared("iris-1", (1.0, 2.0), 3)
    file = stage.state.comparisons("iris-1")
    file.rename(file.with_suffix(".older.jsonl"))
    stage.compared("iris-1", (2.0, 3.0), 2)
    (model,) = gather(stage.sources()).models
    assert [len(a.comparisons) for a in model.attempts] == [5]


@pytest.mark.parametrize("text", ["[]", "null", "{}", '{"workloads": 3}', "\x00"])
def test_an_inventory_of_another_form_means_unknown(stage, text):
    """What cannot be found out is unknown, never an error."""
    stage.attempt("iris", 1, None, 0.0)
    for name in ("inventory", "plan"):
        (stage.state.work / f"{name}.json").write_text(text)
    (model,) = gather(stage.sources()).models
    assert model.workload is None
    assert model.planned == {}
