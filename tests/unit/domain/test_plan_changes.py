from hypothesis import given
from hypothesis import strategies as st

from turnout.domain.inventory import Inventory
from turnout.domain.plan import Plan, Terms, plan
from turnout.domain.plan_changes import changes
from turnout.domain.pools import Pool
from turnout.domain.workload import Component, Workload

CPU = Pool(name="cpu", cpu=8, memory_gib=32, nodes=4, price_per_hour_usd=0.4)


def _workload(name="iris", **fields):
    needs = Component(role="predictor", framework="sklearn", resources={"cpu": "1", "memory": "1Gi"})
    ready = {"framework": "sklearn", "wire": "v1", "owner": "ana", "storage_uri": "s3://b/iris"}
    return Workload(**{"name": name, **ready, "components": (needs,), **fields})


def _plan(*workloads, pools=(CPU,)):
    return plan(Inventory(workloads=workloads), pools, Terms())


def _words(before, after):
    return [change.words() for change in changes(before, after)]


def test_what_came_and_went_is_told():
    """A model that is new, and one that is gone."""
    assert _words(_plan(_workload("iris")), _plan(_workload("wine"))) == [
        "default/iris: gone: was in wave 2",
        "default/wine: new: triton on cpu, wave 2",
    ]


def test_a_change_is_told_with_what_was_before():
    """Another pool, another price: each fact in a line of its own."""
    other = CPU.model_copy(update={"name": "cpu-spot", "price_per_hour_usd": 0.1})
    told = _words(_plan(_workload()), _plan(_workload(), pools=(other,)))
    assert told == [
        "default/iris: pool cpu -> cpu-spot",
        "default/iris: price 0.050 USD/hour -> 0.013 USD/hour",
    ]


def test_blockers_come_and_are_settled():
    """What stands in the way now and did not before, and the other way round."""
    free, owned = _workload(owner=None), _workload()
    assert _words(_plan(owned), _plan(free))[0].startswith("default/iris: blocked: no_owner")
    assert _words(_plan(free), _plan(owned))[0].startswith("default/iris: settled: no_owner")


@given(names=st.sets(st.sampled_from("abcdef"), max_size=6))
def test_the_same_plan_has_no_changes(names):
    """Nothing is told when nothing changed."""
    same = _plan(*(_workload(name) for name in names))
    assert changes(same, same) == ()
    assert len(changes(Plan(lines=()), same)) == len(names)
