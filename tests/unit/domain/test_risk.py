import pytest

from turnout.domain.risk import risk
from turnout.domain.weights import Points, RiskGroups, Weights
from turnout.domain.workload import Component, Criticality, Workload


def test_the_points_are_the_sum_of_the_reasons():
    """An owner can add up by hand what the risk is made of."""
    found = risk(
        Workload(
            name="m",
            framework="sklearn",
            wire="v1",
            criticality=Criticality.HIGH,
            components=(Component(role="explainer", framework=None),),
        )
    )
    assert found.points == sum(int(reason.rsplit("+", 1)[1].rstrip(")")) for reason in found.reasons)
    assert any("explainer" in reason for reason in found.reasons)
    assert found.sum == "4 + 2 + 3 + 1 = 10 points"


def test_an_unknown_fact_is_riskier_than_the_best_known_one():
    """Leaving a label out never makes a model look safer."""
    known = Workload(
        name="m", framework="onnx", wire="v2", criticality=Criticality.LOW, latency_class="batch"
    )
    for unknown in ("wire", "criticality", "latency_class"):
        assert risk(known.model_copy(update={unknown: None})).points > risk(known).points


@pytest.mark.parametrize(
    ("points", "group"), [(0, "low"), (2, "low"), (3, "medium"), (5, "medium"), (6, "high")]
)
def test_the_users_weights_decide_points_and_group(points, group):
    """Every sum has a group, and both follow the file that the user edits."""
    weights = Weights(
        risk_points=Points(custom_container=points, unknown_latency_class=0, unknown_criticality=0),
        risk_groups=RiskGroups(low_up_to=2, medium_up_to=5),
    )
    found = risk(Workload(name="m", framework="custom", wire="v1"), weights)
    assert (found.points, found.group) == (points, group)
    assert len(found.reasons) == (points > 0)
