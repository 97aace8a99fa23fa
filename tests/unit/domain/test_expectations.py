import json

import pytest
from pydantic import ValidationError

from turnout.domain import default_suites
from turnout.domain.contract import Contract, Rollout, SameAnswer
from turnout.domain.expectations import Evidenced, Suite, SuiteResult, Unmet, measured, reasons
from turnout.domain.route import RoutePolicy

UNMET = Unmet(
    suite=Evidenced.GOLDEN_SET, expectation="expect_x", column="answer", where="golden_set.yaml:9",
    wanted='{"max_value": 0}', observed="2 of 60 rows do not", rows=(4, 9), excerpt='{"answer": null}',
)  # fmt: skip
RESULTS = [
    SuiteResult(suite=Evidenced.GOLDEN_SET, rows=60, expectations=4, unmet=(UNMET,), page="m/p.html"),
    SuiteResult(suite=Evidenced.BASELINE, rows=300, expectations=5),
]


def _contract(**changes) -> Contract:
    given = {"model": "m", "wire": "v1", "inputs": (), "outputs": ()} | changes
    return Contract(**{"same_answer": SameAnswer(kind="labels"), **given})


def test_a_reason_names_the_expectation_the_rows_and_the_line():
    """Whoever reads why a phase holds knows where to look, in the data and in the suite."""
    (said,) = reasons(RESULTS)
    assert said.startswith(
        'golden_set: expect_x(answer) {"max_value": 0} is not met: 2 of 60 rows do not, rows'
    )
    assert said.endswith('rows 4, 9, first of them: {"answer": null} (golden_set.yaml:9)')


def test_evidence_tells_of_every_suite():
    """Also of those that were met: what was asked is part of what was found."""
    found = measured(RESULTS)
    assert [(one["suite"], one["met"], one["of"]) for one in found["expectations"]] == [
        ("golden_set", 3, 4), ("baseline", 5, 5),
    ]  # fmt: skip
    assert found["unmet_expectations"][0]["rows"] == [4, 9]
    assert json.loads(json.dumps(found)) == found
    assert "unmet_expectations" not in measured(RESULTS[1:])


def test_an_empty_suite_is_refused():
    """It would call everything sound."""
    with pytest.raises(ValidationError):
        Suite(expectations=())


@pytest.mark.parametrize("table", Evidenced)
def test_defaults_use_no_parameter_that_there_is_not(table):
    """Every number of the contract that stands in a default has its value."""
    known = default_suites.parameters(_contract())
    suite = default_suites.default(_contract(), table)
    assert suite is not None
    for one in suite.expectations:
        named = [v["$PARAMETER"] for v in one.kwargs.values() if isinstance(v, dict)]
        assert set(named) <= set(known)
        assert one.notes


def test_a_regression_has_no_classes():
    """Nothing is expected of what an answer does not have."""
    contract = _contract(same_answer=SameAnswer(kind="regression"))
    assert default_suites.default(contract, Evidenced.GOLDEN_CLASSES) is None


def test_where_nulls_may_be_answers_none_is_expected():
    """JSON of any shape and generated text have nulls that mean something."""
    for kind, wire, expected in (("labels", "v1", True), ("json", "v1", False), ("text", "openai", False)):
        contract = _contract(same_answer=SameAnswer(kind=kind), wire=wire)
        suite = default_suites.default(contract, Evidenced.GOLDEN_SET)
        assert suite is not None
        assert any(one.kwargs.get("column") == "null_answers" for one in suite.expectations) is expected


def test_a_model_that_takes_seconds_is_not_asked_for_hundreds():
    """Of generated text as many requests are enough as its owner wants samples."""
    same = SameAnswer(kind="text")
    text = _contract(same_answer=same, wire="openai", rollout=Rollout(shadow_samples=24))
    assert default_suites.parameters(text)["least_requests"] == 24
    assert default_suites.parameters(_contract())["least_requests"] == 200


def test_a_model_with_few_possible_questions_is_measured_all_the_same():
    """Many captures that hold few distinct requests are all that there will ever be."""
    assert default_suites.parameters(_contract(), captured=500, distinct=3)["least_distinct"] == 3
    assert default_suites.parameters(_contract(), captured=499, distinct=3)["least_distinct"] == 20
    assert default_suites.parameters(_contract(), captured=500, distinct=0)["least_distinct"] == 1


def test_parameters_follow_the_contract():
    """A suite that names a number of the contract holds the newest one."""
    contract = _contract(rollout=Rollout(shadow_samples=77), policy=RoutePolicy(request_seconds=9.0))
    found = default_suites.parameters(contract)
    assert (found["shadow_samples"], found["longest_seconds"]) == (77, 18.0)
    streaming = _contract(policy=RoutePolicy(streaming=True, stream_longest_seconds=600.0))
    assert default_suites.parameters(streaming)["longest_seconds"] == 600.0
