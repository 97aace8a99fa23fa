"""Where the plan puts a model, and the node pools that the settings lead to."""

from runtimes.kubernetes.deployed import Placed
from turnout.domain.errors import RefusedError
from turnout.domain.nodes import NodePools
from turnout.domain.plan import Plan
from turnout.domain.pools import Pool
from turnout.domain.prices import Prices
from turnout.fabric import nodes
from turnout.fabric import pools as pool_files
from turnout.fabric import prices as price_files
from turnout.fabric.kubernetes.api import ClusterApi
from turnout.fabric.state import State
from turnout.settings import Settings


def pools_in_force(settings: Settings) -> NodePools:
    """The node pools: of the cluster where the estate is read from one and no file says otherwise."""
    if settings.estate == "manifests" or settings.pools.is_file():
        return NodePools(pools=pool_files.read(settings.pools), left_out=())
    prices = price_files.read(settings.prices) if settings.prices else Prices()
    with ClusterApi(settings.kubeconfig, settings.context) as api:
        return nodes.pools(api, prices)


def placed(settings: Settings, model: str, version: str | None) -> Placed:
    """Where the kept plan puts a model.

    Args:
        settings: Where plan and pools are.
        model: The model.
        version: Version of the package that its attempt names.

    Raises:
        RefusedError: There is no plan, it places no such model, its pool is not there any more, or the
            attempt names no package.
    """
    file = State(settings.state).work / "plan.json"
    plan = Plan.model_validate_json(file.read_bytes()) if file.is_file() else Plan(lines=())
    assignment = plan.assignment(model)
    if assignment is None:
        raise _refused(
            model, f"{file} places no such model", "a plan with a pool for it", "Run discover and plan."
        )
    if version is None:
        raise _refused(model, "its attempt names no package", "a proved package", "Run the package phase.")
    pools = {pool.name: pool for pool in pools_in_force(settings).pools}
    wanted = settings.cluster.head_pool
    head = _pool(pools, model, wanted) if wanted else None
    return Placed(assignment, _pool(pools, model, assignment.pool), version, head)


def _pool(pools: dict[str, Pool], model: str, name: str) -> Pool:
    if name not in pools:
        raise _refused(
            model, f"no pool {name}", f"one of {', '.join(sorted(pools)) or 'none'}",
            "Run plan again, or correct pools and settings.",
        )  # fmt: skip
    return pools[name]


def _refused(model: str, observed: str, limit: str, remedy: str) -> RefusedError:
    return RefusedError(f"deployment of {model}", observed=observed, limit=limit, remedy=remedy)
