"""Pools from the nodes of a real API server, and placement onto them."""

import pytest

from tests.cluster import simulated
from turnout.domain.accelerators import AcceleratorKind
from turnout.domain.demand import Demand
from turnout.domain.errors import RefusedError
from turnout.domain.joint import Asked, place_all
from turnout.domain.prices import Prices
from turnout.domain.targets import TargetRuntime
from turnout.fabric.kubernetes.api import ClusterApi
from turnout.fabric.nodes import pools


def _named(name, made):
    """A node of a pool that no other test has."""
    made["metadata"]["name"] = f"read-{name}"
    made["metadata"]["labels"] |= {"kubernetes.io/hostname": f"read-{name}"}
    made["metadata"]["labels"][simulated.POOL] = f"read-{made['metadata']['labels'][simulated.POOL]}"
    return made


@pytest.fixture
def nodes(applier):
    """An L4, an A100 in MIG slices, a slice of TPU v6e, and a node that is cordoned."""
    made = [
        simulated.gpu(
            "l4", "l4", "g2-standard-12", "11910m", "42Gi", "NVIDIA-L4", 23034, {"nvidia.com/gpu": "1"},
        ),
        simulated.gpu(
            "mig", "mig", "a2-highgpu-1g", "11910m", "80Gi", "NVIDIA-A100-SXM4-40GB", 40960,
            {"nvidia.com/mig-3g.20gb": "1", "nvidia.com/mig-1g.5gb": "2"},
        ),
        *(simulated.tpu(f"v6e-{n}", "v6e", "ct6e-standard-4t", "tpu-v6e-slice", "4x4", 4) for n in range(4)),
    ]  # fmt: skip
    made = [_named(each["metadata"]["name"], each) for each in made]
    cordoned = _named("cordoned", simulated.node("cordoned", "cordoned", "n2-standard-16", "15890m", "57Gi"))
    cordoned["spec"]["unschedulable"] = True
    applier.call("POST", "/api/v1/nodes", body=cordoned)
    simulated.bring_up(applier, made)
    yield
    for each in (cordoned, *made):
        applier.delete(each)


@pytest.mark.usefixtures("nodes")
def test_live_nodes_become_pools_and_what_cannot_be_used_is_named(control_plane):
    """What the API server holds is what placement gets: reported memory, slices, whole slices, reasons."""
    with ClusterApi(control_plane.kubeconfig) as api:
        found = pools(api, Prices(pools={"read-l4": 1.0}, instance_types={"ct6e-standard-4t": 10.8}))
    mine = {pool.name: pool for pool in found.pools if pool.name.startswith("read-")}
    assert set(mine) == {"read-l4", "read-mig/1g.5gb", "read-mig/3g.20gb", "read-v6e"}
    assert mine["read-l4"].memory_of_each_gib == pytest.approx(22.49, abs=0.01)
    assert (mine["read-l4"].price_per_hour_usd, mine["read-v6e"].price_per_hour_usd) == (1.0, 10.8)
    assert mine["read-mig/3g.20gb"].price_per_hour_usd is None
    assert (mine["read-v6e"].hosts_per_slice, mine["read-v6e"].nodes) == (4, 4)
    assert mine["read-v6e"].node_labels[simulated.POOL] == "read-v6e"
    assert ("read-cordoned", "it is cordoned") in {(one.node, one.why) for one in found.left_out}

    wanted = Demand(4, 16, 16, AcceleratorKind.TPU)
    asked = [Asked(("prod", f"m{n}"), TargetRuntime.VLLM, wanted) for n in range(2)]
    together = place_all(asked, tuple(mine.values()))
    assert [(one.pool, one.hosts) for one in together.assignments] == [("read-v6e", 4)]
    assert together.price_per_hour_usd == pytest.approx(43.2)


def test_who_may_not_list_nodes_is_told_so(control_plane, namespace):
    """An account without the right gets one clear error, and no pools."""
    kubeconfig = control_plane.kubeconfig_of(f"{namespace}/default")
    with ClusterApi(kubeconfig) as api, pytest.raises(RefusedError, match="nodes"):
        pools(api)
