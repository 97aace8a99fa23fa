"""Which pool a workload goes to by itself: the cheapest that it fits in and that its runtime can use.

`turnout.domain.joint` places all workloads of an estate together, where pools have limited room.
"""

from pydantic import BaseModel, ConfigDict

from turnout.domain.demand import Demand
from turnout.domain.fit import Shape, fit, room_of
from turnout.domain.pools import Pool
from turnout.domain.targets import TargetRuntime


class Offer(BaseModel):
    """A pool that a workload fits in, and what it takes there.

    Attributes:
        pool: Its name.
        replicas: How many run.
        replicas_per_node: How many replicas an empty node holds; 0: a replica takes several nodes.
        price_per_hour_usd: Price of the nodes' share that all replicas take; None: unknown.
        milli_cpu: Thousandths of a core of one host's pod.
        memory_mib: Memory of one host's pod in MiB.
        accelerators: Accelerators of one host's pod.
        hosts: Hosts of one replica.
        assumed: What was unknown, and what is taken in its place.
    """

    model_config = ConfigDict(frozen=True)

    pool: str
    replicas: int = 1
    replicas_per_node: int
    price_per_hour_usd: float | None
    milli_cpu: int = 0
    memory_mib: int = 0
    accelerators: int = 0
    hosts: int = 1
    assumed: tuple[str, ...] = ()


class Placement(BaseModel):
    """Where a workload goes.

    Attributes:
        best: The offer that is taken; None: it goes nowhere.
        runner_up: The next cheapest.
        dearer: Names of pools that would do as well, cheapest first.
        taken: Names of pools that are no dearer, and whose room goes to other workloads.
        refused: By pool, why it does not fit.
    """

    model_config = ConfigDict(frozen=True)

    best: Offer | None
    runner_up: Offer | None
    dearer: tuple[str, ...]
    taken: tuple[str, ...] = ()
    refused: dict[str, str]

    @property
    def nothing_fits(self) -> str | None:
        """Why it goes nowhere, pool by pool; None: it goes somewhere."""
        if self.best is not None:
            return None
        reasons = [f"{pool}: {why}" for pool, why in self.refused.items()]
        reasons += [f"{pool}: its room goes to other workloads" for pool in self.taken]
        return f"nothing fits, because {'; '.join(reasons) or 'there are no pools'}"


def offers(
    demand: Demand, runtime: TargetRuntime, pools: tuple[Pool, ...]
) -> tuple[list[Offer], dict[str, str]]:
    """Every pool that fits, cheapest first and unknown prices last; and by pool why the others do not."""
    fitting: list[Offer] = []
    refused: dict[str, str] = {}
    for pool in pools:
        shape = fit(demand, runtime, pool)
        found = shape if isinstance(shape, str) else _offer(demand, shape, pool)
        if isinstance(found, str):
            refused[pool.name] = found
        else:
            fitting.append(found)
    return sorted(fitting, key=cheapness), refused


def cheapness(offer: Offer) -> tuple[bool, float, str]:
    """What offers are sorted by; an unknown price is never the cheapest."""
    return offer.price_per_hour_usd is None, offer.price_per_hour_usd or 0.0, offer.pool


def place(demand: Demand, runtime: TargetRuntime, pools: tuple[Pool, ...]) -> Placement:
    """Weigh every pool, as if the workload were the only one."""
    fitting, refused = offers(demand, runtime, pools)
    best, runner_up = (*fitting, None, None)[:2]
    return Placement(
        best=best, runner_up=runner_up, dearer=tuple(offer.pool for offer in fitting[1:]), refused=refused
    )


def _offer(demand: Demand, shape: Shape, pool: Pool) -> Offer | str:
    per_node = room_of(pool).times(shape.size) if shape.hosts == 1 else 0
    if demand.replicas > (per_node * pool.nodes if per_node else pool.nodes // shape.hosts):
        return f"{pool.nodes} nodes hold fewer than {demand.replicas} replicas"
    nodes_each = 1 / per_node if per_node else shape.hosts
    price = pool.price_per_hour_usd
    return Offer(
        pool=pool.name,
        replicas=demand.replicas,
        replicas_per_node=per_node,
        price_per_hour_usd=None if price is None else round(price * nodes_each * demand.replicas, 6),
        milli_cpu=shape.size.milli_cpu,
        memory_mib=shape.size.memory_mib,
        accelerators=shape.size.accelerators,
        hosts=shape.hosts,
        assumed=shape.assumed,
    )
