"""The joint placement against an independent packer, an exhaustive search, and what a person would do."""

import itertools
import random
from collections import defaultdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from turnout.domain.accelerators import AcceleratorKind
from turnout.domain.demand import Demand
from turnout.domain.joint import Asked, place_all
from turnout.domain.placement import offers
from turnout.domain.pools import Pool
from turnout.domain.targets import TargetRuntime

TRITON = TargetRuntime.TRITON


def _asked(*demands):
    return [Asked(("prod", f"m{number}"), TRITON, demand) for number, demand in enumerate(demands)]


def _gpus(count, cpu=1, replicas=1):
    return Demand(cpu, 1, count, AcceleratorKind.GPU, replicas=replicas)


def _pods(assignment):
    """By replica cores in thousandths, memory in MiB and accelerators of a pod, and how many hosts."""
    size = (round(assignment.cpu * 1000), round(assignment.memory_gib * 1024), assignment.accelerators)
    return [(size, assignment.hosts)] * assignment.replicas


def _fewest(pods, room, nodes):
    """The fewest nodes that hold the pods, by trying everything; None: none do."""
    whole = sum(hosts for _, hosts in pods if hosts > 1)
    rest = sorted((size for size, hosts in pods if hosts == 1), reverse=True)
    best = None

    def put(number, bins):
        nonlocal best
        if best is not None and len(bins) >= best:
            return
        if number == len(rest):
            best = len(bins)
            return
        seen = set()
        for index, used in enumerate(bins):
            after = tuple(a + b for a, b in zip(used, (*rest[number], 1), strict=True))
            if used not in seen and all(a <= b for a, b in zip(after, room, strict=True)):
                seen.add(used)
                put(number + 1, [*bins[:index], after, *bins[index + 1 :]])
        if len(bins) + whole < nodes and all(a <= b for a, b in zip((*rest[number], 1), room, strict=True)):
            put(number + 1, [*bins, (*rest[number], 1)])

    put(0, [])
    return None if best is None or best + whole > nodes else best + whole


def _room(pool):
    return (pool.cpu * 1000, pool.memory_gib * 1024, pool.accelerators_per_node, pool.pods_per_node)


def _check(found, pools):
    """Pack every pod that was placed onto real nodes, knowing nothing of how it was decided."""
    pods = defaultdict(list)
    for assignment in found.assignments:
        pods[assignment.pool] += _pods(assignment)
    for pool in pools:
        fewest = _fewest(pods[pool.name], _room(pool), pool.nodes)
        assert fewest is not None
        assert fewest <= found.nodes.get(pool.name, 0) <= pool.nodes
    assert found.price_per_hour_usd == pytest.approx(
        sum(found.nodes.get(pool.name, 0) * (pool.price_per_hour_usd or 0) for pool in pools)
    )


def _cost(choice, pools):
    """What a choice of offers costs, by trying every packing; None: it does not fit."""
    pods = defaultdict(list)
    wasteful = 0
    for one in filter(None, choice):
        size = (one.milli_cpu, one.memory_mib, one.accelerators)
        pods[one.pool] += [(size, one.hosts)] * one.replicas
        wasteful += not one.accelerators and pools[one.pool].kind is not None
    unpriced, money = 0, 0.0
    for name, those in pods.items():
        pool = pools[name]
        fewest = _fewest(those, _room(pool), pool.nodes)
        if fewest is None:
            return None
        unpriced += fewest if pool.price_per_hour_usd is None else 0
        money += fewest * (pool.price_per_hour_usd or 0)
    return (sum(one is None for one in choice), unpriced, wasteful, round(money, 6))


def _exhaustive(asked, pools):
    """The best of all choices there are."""
    by_name = {pool.name: pool for pool in pools}
    each = [[*offers(one.demand, one.runtime, pools)[0], None] for one in asked]
    costs = (_cost(choice, by_name) for choice in itertools.product(*each))
    return min(cost for cost in costs if cost is not None)


def _one_by_one(asked, pools):
    """What a person does: each in turn on the cheapest pool that still has room."""
    by_name = {pool.name: pool for pool in pools}
    choice = []
    for one in asked:
        for offer in [*offers(one.demand, one.runtime, pools)[0], None]:
            if _cost([*choice, offer], by_name) is not None:
                choice.append(offer)
                break
    return _cost(choice, by_name)


def _cost_of(found, asked, pools):
    best = [found.placements[one.key].best for one in asked]
    by_name = {pool.name: pool for pool in pools}
    wasteful = sum(not one.accelerators and by_name[one.pool].kind is not None for one in best if one)
    unpriced = sum(many for name, many in found.nodes.items() if by_name[name].price_per_hour_usd is None)
    return (best.count(None), unpriced, wasteful, round(found.price_per_hour_usd, 6))


prices = st.none() | st.sampled_from([0.5, 1.0, 3.0, 7.0])
pools = st.tuples(
    st.builds(
        lambda n, p: Pool(name="cpu", cpu=4, memory_gib=8, nodes=n, price_per_hour_usd=p),
        st.integers(1, 2), prices,
    ),
    st.builds(
        lambda n, p, each: Pool(
            name="gpu", accelerator="nvidia-l4", accelerators_per_node=each, cpu=8, memory_gib=16, nodes=n,
            price_per_hour_usd=p,
        ),
        st.integers(1, 2), prices, st.integers(1, 4),
    ),
    st.builds(
        lambda p: Pool(
            name="big", accelerator="nvidia-a100-40gb", accelerators_per_node=2, cpu=8, memory_gib=16,
            nodes=1, price_per_hour_usd=p, pods_per_node=2,
        ),
        prices,
    ),
)  # fmt: skip
demands = st.builds(
    lambda cpu, memory, count, replicas: Demand(
        cpu, memory, count, AcceleratorKind.GPU if count else None, replicas=replicas
    ),
    st.sampled_from([0.5, 1, 3, 4, 5, 8]),
    st.sampled_from([1, 4, 7]),
    st.sampled_from([0, 0, 1, 2]),
    st.integers(1, 2),
)


@settings(deadline=None, max_examples=60)
@given(pools, st.lists(demands, min_size=1, max_size=4))
def test_it_is_the_exhaustive_optimum_and_no_worse_than_one_by_one(found_pools, wanted):
    """Small estates: as many have a place as can, for the least money, and every pod finds its node."""
    asked = _asked(*wanted)
    found = place_all(asked, found_pools, seconds=60)
    _check(found, found_pools)
    reached = _cost_of(found, asked, found_pools)
    assert found.proven
    assert reached == _exhaustive(asked, found_pools)
    assert reached <= _one_by_one(asked, found_pools)


def test_a_cheap_pool_goes_to_those_who_need_it_most():
    """One by one, the first takes the L4 and the second has to pay for two A100: together it is cheaper."""
    l4 = Pool(
        name="l4", accelerator="nvidia-l4", accelerators_per_node=1, cpu=8, memory_gib=32, nodes=1,
        price_per_hour_usd=1,
    )  # fmt: skip
    a100 = l4.model_copy(
        update={"name": "a100", "accelerator": "nvidia-a100-40gb", "price_per_hour_usd": 4.0, "nodes": 2}
    )
    cpu = Pool(name="cpu", cpu=2, memory_gib=32, nodes=1, price_per_hour_usd=0.2)
    asked = _asked(Demand(2, 1), Demand(2, 1), _gpus(1))
    found = place_all(asked, (l4, a100, cpu))
    assert [found.placements[one.key].best.pool for one in asked] == ["cpu", "l4", "l4"]
    assert found.placements[asked[1].key].taken == ("cpu",)
    assert (found.price_per_hour_usd, found.proven) == (pytest.approx(1.2), True)
    assert found.statement == "1.2 USD an hour for the nodes in use; no placement is cheaper (proved)"


def test_who_has_no_place_is_told_whose_room_it_was():
    """Full is another reason than unfit, and both are said."""
    pool = Pool(
        name="l4", accelerator="nvidia-l4", accelerators_per_node=1, cpu=8, memory_gib=32, nodes=1,
        price_per_hour_usd=1,
    )  # fmt: skip
    plain = Pool(name="cpu", cpu=8, memory_gib=32, nodes=1, price_per_hour_usd=1)
    asked = _asked(_gpus(1), _gpus(1))
    found = place_all(asked, (pool, plain))
    (homeless,) = [placement for placement in found.placements.values() if placement.best is None]
    assert homeless.nothing_fits == (
        "nothing fits, because cpu: it has no accelerator, and 1 are needed; "
        "l4: its room goes to other workloads"
    )
    assert "1 workloads have no place" in found.statement


def test_a_multi_host_slice_goes_to_one_replica_whole():
    """Two slices of four hosts hold two replicas, not eight and not three."""
    slices = Pool(
        name="v6e", accelerator="tpu-v6e", accelerators_per_node=4, cpu=100, memory_gib=700, nodes=8,
        topology="4x4", hosts_per_slice=4, price_per_hour_usd=10,
    )  # fmt: skip
    asked = [
        Asked(("prod", f"m{n}"), TargetRuntime.VLLM, Demand(4, 16, 16, AcceleratorKind.TPU)) for n in range(3)
    ]
    found = place_all(asked, (slices,))
    _check(found, (slices,))
    assert [(one.hosts, one.accelerators, one.replicas) for one in found.assignments] == [(4, 4, 1)] * 2
    assert (found.nodes, found.price_per_hour_usd) == ({"v6e": 8}, 80)


def test_room_on_nodes_counts_and_not_room_in_a_pool():
    """Two nodes with half a core left have no room for a pod of one core."""
    pool = Pool(name="cpu", cpu=3, memory_gib=100, nodes=2, price_per_hour_usd=1)
    found = place_all(_asked(*[Demand(2, 1)] * 3), (pool,))
    assert len(found.assignments) == 2


def test_a_node_holds_no_more_pods_than_its_kubelet_lets_it():
    """Small pods run into the limit of pods long before cores are used up."""
    pool = Pool(name="cpu", cpu=64, memory_gib=256, nodes=3, price_per_hour_usd=1, pods_per_node=10)
    found = place_all(_asked(*[Demand(0.1, 0.1, replicas=5)] * 5), (pool,))
    assert found.nodes == {"cpu": 3}
    _check(place_all(_asked(*[Demand(0.1, 0.1)] * 12), (pool,)), (pool,))


def test_an_estate_of_thousands_is_placed_with_its_bound():
    """Many sizes, many of each: all have a place, no pool is overfull, and how sure the price is, is said."""
    chance = random.Random(1)
    pools = (
        Pool(name="cpu", cpu=8, memory_gib=32, nodes=900, price_per_hour_usd=0.4),
        Pool(name="big", cpu=64, memory_gib=256, nodes=90, price_per_hour_usd=3.0),
        Pool(
            name="gpu", accelerator="nvidia-a100-40gb", accelerators_per_node=4, cpu=48, memory_gib=340,
            nodes=150, price_per_hour_usd=14.7,
        ),
    )  # fmt: skip
    asked = _asked(*(
        Demand(chance.uniform(0.1, 4), chance.uniform(0.2, 16), replicas=chance.choice([1, 2, 3]))
        if chance.random() < 0.9
        else _gpus(chance.choice([1, 2, 4]), chance.uniform(1, 8))
        for _ in range(2000)
    ))  # fmt: skip
    found = place_all(asked, pools, seconds=3)
    assert len(found.assignments) == 2000
    assert found.bound_usd <= found.price_per_hour_usd <= found.bound_usd * 1.3
    assert f"less than {found.bound_usd:.4g}" in found.statement
    for pool in pools:
        mine = [one for one in found.assignments if one.pool == pool.name]
        for part, there in (("cpu", pool.cpu), ("memory_gib", pool.memory_gib)):
            assert sum(getattr(one, part) * one.replicas for one in mine) <= there * found.nodes[pool.name]
        assert found.nodes.get(pool.name, 0) <= pool.nodes


def test_an_empty_estate_costs_nothing():
    """No workloads, or no pools, are no error."""
    assert (
        place_all([], ()).statement == "0 USD an hour for the nodes in use; no placement is cheaper (proved)"
    )
    lonely = place_all(_asked(Demand(1, 1)), ())
    assert lonely.placements["prod", "m0"].nothing_fits == "nothing fits, because there are no pools"
