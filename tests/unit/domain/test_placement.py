import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from turnout.domain.accelerators import ACCELERATORS, AcceleratorKind
from turnout.domain.demand import Demand
from turnout.domain.placement import place
from turnout.domain.pools import Pool
from turnout.domain.targets import TargetRuntime

SMALL = Demand(cpu=1, memory_gib=2)
CPU = Pool(name="cpu", cpu=8, memory_gib=32, nodes=4, price_per_hour_usd=0.4)
L4 = Pool(
    name="l4",
    accelerator="nvidia-l4",
    accelerators_per_node=1,
    cpu=8,
    memory_gib=32,
    nodes=2,
    price_per_hour_usd=0.9,
)
A100 = Pool(
    name="a100",
    accelerator="nvidia-a100-80gb",
    accelerators_per_node=2,
    cpu=24,
    memory_gib=170,
    nodes=2,
    price_per_hour_usd=9,
)
TPU = Pool(
    name="tpu",
    accelerator="tpu-v5e",
    accelerators_per_node=4,
    cpu=112,
    memory_gib=192,
    nodes=1,
    price_per_hour_usd=4.8,
)
ALL = (A100, CPU, L4, TPU)  # fmt: skip


def _gpus(count, memory_gib=None, replicas=1):
    return Demand(4, 16, count, AcceleratorKind.GPU, memory_gib, replicas)


def test_the_cheapest_that_fits_is_chosen_with_its_runner_up():
    """A reader sees the choice, the next best, and why not the others."""
    found = place(SMALL, TargetRuntime.TRITON, ALL)
    assert (found.best.pool, found.best.price_per_hour_usd) == ("cpu", 0.05)
    assert found.runner_up.pool == "l4"
    assert found.dearer == ("l4", "a100")
    assert found.refused == {"tpu": "triton does not run on tpu-v5e"}


@pytest.mark.parametrize(
    ("needed", "runtime", "pool", "words"),
    [
        (_gpus(1), TargetRuntime.TRITON, CPU, "no accelerator"),
        (_gpus(2), TargetRuntime.TRITON, L4, "1 accelerators, and a replica needs 2"),
        (_gpus(1, 40), TargetRuntime.VLLM, L4, "24 GiB of accelerator memory, and a replica needs 40"),
        (_gpus(1), TargetRuntime.RAY_SERVE, TPU, "made for GPUs"),
        (_gpus(1, replicas=3), TargetRuntime.TRITON, L4, "fewer than 3 replicas"),
        (SMALL, TargetRuntime.VLLM, CPU, "vllm runs on a plain CPU only where the owner says so"),
        (Demand(cpu=99, memory_gib=2), TargetRuntime.TRITON, CPU, "8 cores, and a replica needs 99"),
        (
            Demand(cpu=1, memory_gib=99),
            TargetRuntime.TRITON,
            CPU,
            "32 GiB of memory, and a replica needs 99",
        ),
    ],
)
def test_a_pool_that_does_not_fit_says_why(needed, runtime, pool, words):
    """Memory, compatibility and size each have their own sentence; then there is no offer."""
    found = place(needed, runtime, (pool,))
    assert found.best is None
    assert words in found.refused[pool.name]


def test_an_unknown_price_is_never_the_cheapest():
    """Unknown is not zero: a priced pool comes first, and the offer stays without a price."""
    free = CPU.model_copy(update={"name": "a", "price_per_hour_usd": None})
    found = place(SMALL, TargetRuntime.TRITON, (free, A100))
    assert (found.best.pool, found.runner_up.pool) == ("a100", "a")
    assert found.runner_up.price_per_hour_usd is None


def test_where_nothing_fits_every_pool_says_why():
    """The blocker that an owner reads names each pool with its reason."""
    found = place(Demand(cpu=99, memory_gib=2), TargetRuntime.TRITON, (CPU, TPU))
    assert found.nothing_fits == (
        "nothing fits, because cpu: a node has 8 cores, and a replica needs 99; "
        "tpu: triton does not run on tpu-v5e"
    )
    assert place(SMALL, TargetRuntime.TRITON, ALL).nothing_fits is None
    assert place(SMALL, TargetRuntime.TRITON, ()).nothing_fits == "nothing fits, because there are no pools"


amounts = st.none() | st.floats(0.1, 64)
pools = st.builds(
    lambda name, accelerator, cpu, memory, nodes, price: Pool(
        name=name,
        accelerator=accelerator,
        accelerators_per_node=1 if accelerator else 0,
        cpu=cpu,
        memory_gib=memory,
        nodes=nodes,
        price_per_hour_usd=price,
    ),
    st.from_regex(r"[a-z]{1,6}", fullmatch=True),
    st.none() | st.sampled_from(sorted(ACCELERATORS)),
    st.floats(1, 64),
    st.floats(1, 256),
    st.integers(1, 4),
    st.none() | st.floats(0, 10),
)


@settings(deadline=None)
@given(
    cpu=amounts,
    memory=amounts,
    runtime=st.sampled_from(list(TargetRuntime)),
    found=st.lists(pools, max_size=5, unique_by=lambda pool: pool.name),
)
def test_every_pool_is_offered_or_refused_and_none_is_too_small(cpu, memory, runtime, found):
    """No pool goes missing; no offer is dearer than the best; nothing is placed where it does not fit."""
    placed = place(Demand(cpu=cpu, memory_gib=memory), runtime, tuple(found))
    offered = [placed.best.pool, *placed.dearer] if placed.best else []
    assert sorted([*offered, *placed.refused]) == sorted(pool.name for pool in found)
    for pool in found:
        if pool.name in offered:
            assert (cpu or 0) <= pool.cpu
            assert (memory or 0) <= pool.memory_gib
    prices = [placed.best.price_per_hour_usd, placed.runner_up.price_per_hour_usd] if placed.runner_up else []
    assert None in prices or prices == sorted(prices)
