import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from turnout.domain.groups import GROUPINGS, grouped, groups_of
from turnout.domain.observed import Figure, Observed
from turnout.domain.weights import Dependencies, Traffic, Weights
from turnout.domain.workload import Component, Criticality, Workload


def _workload(name="m", **fields):
    return Workload(name=name, **{"framework": "sklearn", **fields})


def _traffic(per_second):
    return Observed(requests_per_second=Figure(value=per_second, source="a counter", window_seconds=60))


def test_there_are_seven_groupings():
    """The estate is grouped in the seven ways that an engineer plans by."""
    assert len(GROUPINGS) == 7


def test_what_is_unknown_is_a_group_of_its_own():
    """Unknown traffic is not low traffic, and so on: unknown is never a default."""
    groups = groups_of(_workload(framework="custom"))
    unknown = {"traffic_volume", "business_criticality", "hardware_requirements", "latency_sensitivity"}
    assert {name for name, group in groups.items() if group.name == "unknown"} == {
        *unknown,
        "dependency_complexity",
    }


@pytest.mark.parametrize(
    ("fields", "grouping", "group"),
    [
        ({"observed": _traffic(0.0)}, "traffic_volume", "low"),
        ({"observed": _traffic(1.0)}, "traffic_volume", "medium"),
        ({"observed": _traffic(20.0)}, "traffic_volume", "high"),
        ({"criticality": Criticality.HIGH}, "business_criticality", "high"),
        ({"latency_class": "batch"}, "latency_sensitivity", "batch"),
        ({"framework": "onnx"}, "framework", "onnx"),
        ({}, "dependency_complexity", "none"),
        ({"dependencies": ("a/b",)}, "dependency_complexity", "some"),
        ({"dependencies": ("a/b", "c/d", "e/f")}, "dependency_complexity", "entangled"),
    ],
)
def test_known_facts_decide_the_group(fields, grouping, group):
    """Each grouping follows from the fact that it is named after."""
    assert groups_of(_workload(**fields))[grouping].name == group


@pytest.mark.parametrize(
    ("resources", "group"),
    [
        ({}, "unknown"),
        ({"cpu": "1"}, "cpu"),
        ({"cpu": "1", "nvidia.com/gpu": "0"}, "cpu"),
        ({"nvidia.com/gpu": "2"}, "gpu"),
        ({"google.com/tpu": "4"}, "tpu"),
    ],
)
def test_hardware_is_what_the_predictor_asks_for(resources, group):
    """A container that declares nothing may still get an accelerator from its runtime: unknown."""
    component = Component(role="predictor", framework="sklearn", resources=resources)
    assert groups_of(_workload(components=(component,)))["hardware_requirements"].name == group


def test_every_group_says_why():
    """A reader sees the figure, its source and window, the limit, and the sum that the risk is."""
    groups = groups_of(_workload(observed=_traffic(20.0), dependencies=("a/b",)))
    assert all(group.why for group in groups.values())
    assert groups["traffic_volume"].why == "20 requests a second over 60 s, by a counter; high from 10"
    assert groups["migration_risk"].why.startswith("2 + 2 + 1 + 1 = 6 points: ")


def test_the_users_weights_decide_the_groups():
    """What counts as busy or entangled is the user's choice."""
    weights = Weights(traffic=Traffic(high_from=50), dependencies=Dependencies(entangled_from=1))
    groups = groups_of(_workload(observed=_traffic(20.0), dependencies=("a/b",)), weights)
    assert (groups["traffic_volume"].name, groups["dependency_complexity"].name) == ("medium", "entangled")


@settings(deadline=None)
@given(names=st.sets(st.from_regex(r"[a-z]{1,5}", fullmatch=True), max_size=6))
def test_every_workload_is_in_one_group_of_each_grouping(names):
    """Groups neither lose nor double a workload."""
    found = grouped(tuple(_workload(name) for name in names))
    for groups in found.values():
        members = sorted(member for group in groups.values() for member in group)
        assert members == sorted(f"default/{name}" for name in names)
