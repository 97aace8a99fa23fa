from hypothesis import given, settings
from hypothesis import strategies as st

from turnout.domain.waves import BY_RISK, key, waves
from turnout.domain.workload import Criticality, Workload

NAMES = ["a", "b", "c", "d", "e"]


def _workload(name, calls=(), criticality=Criticality.LOW):
    return Workload(
        name=name,
        namespace="ns",
        framework="onnx",
        wire="v2",
        latency_class="batch",
        criticality=criticality,
        dependencies=tuple(f"service/ns/{other}-predictor" for other in calls),
    )


def test_risk_decides_the_wave():
    """What forgives moves first."""
    safe, risky = _workload("a"), _workload("b").model_copy(update={"framework": "custom", "wire": None})
    found = waves((risky, safe))
    assert found[key(safe)].number == BY_RISK["low"]
    assert found[key(risky)].number > BY_RISK["low"]


def test_a_caller_moves_after_what_it_calls():
    """Two models that depend on each other do not change at the same moment, and the reason says which."""
    found = waves((_workload("a", calls=["b"]), _workload("b", calls=["c"]), _workload("c")))
    assert [found["ns", name].number for name in "abc"] == [3, 2, 1]
    assert "after ns/b" in found["ns", "a"].reason


@settings(deadline=None)
@given(calls=st.fixed_dictionaries({name: st.sets(st.sampled_from(NAMES)) for name in NAMES}))
def test_every_workload_gets_a_wave_also_in_circles(calls):
    """Any graph of calls, circles included, ends in a wave for each; without circles, callers come later."""
    found = waves(tuple(_workload(name, calls=sorted(others)) for name, others in calls.items()))
    assert found.keys() == {("ns", name) for name in NAMES}
    assert all(1 <= wave.number <= len(NAMES) + max(BY_RISK.values()) for wave in found.values())


@settings(deadline=None)
@given(
    calls=st.fixed_dictionaries(
        {
            name: st.sets(st.sampled_from(NAMES[index:]).filter(lambda other, name=name: other != name))
            for index, name in enumerate(NAMES[:-1])
        }
    )
)  # fmt: skip
def test_without_circles_every_caller_is_later(calls):
    """The order of calls holds along every chain."""
    found = waves(
        tuple(_workload(name, calls=sorted(others)) for name, others in {**calls, NAMES[-1]: ()}.items())
    )
    for name, others in calls.items():
        assert all(found["ns", name].number > found["ns", other].number for other in others)
