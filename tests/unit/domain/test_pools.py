import pytest
from pydantic import ValidationError

from turnout.domain.pools import Effect, Pool, Taint

NODE = {"cpu": 8, "memory_gib": 32, "nodes": 4}


@pytest.mark.parametrize(
    ("accelerator", "resource"),
    [(None, None), ("nvidia-l4", "nvidia.com/gpu"), ("tpu-v5-lite-podslice", "google.com/tpu")],
)
def test_the_resource_follows_from_the_accelerator(accelerator, resource):
    """A pools file that was written before the field existed goes on meaning the same."""
    pool = Pool(name="p", accelerator=accelerator, accelerators_per_node=int(accelerator is not None), **NODE)
    assert (pool.resource, pool.node_labels, pool.taints, pool.hosts_per_slice) == (resource, {}, (), 1)


def test_a_slice_of_an_accelerator_keeps_its_own_resource():
    """A MIG slice is asked for by its own name, and has the memory that is said, not the whole chip's."""
    pool = Pool(
        name="p",
        accelerator="nvidia-a100-40gb",
        accelerators_per_node=2,
        accelerator_memory_gib=20,
        resource="nvidia.com/mig-3g.20gb",
        **NODE,
    )
    assert (pool.resource, pool.memory_of_each_gib) == ("nvidia.com/mig-3g.20gb", 20)


def test_multi_host_slices_are_whole():
    """A slice that lacks a host is none: such a pool is refused where it is written."""
    with pytest.raises(ValidationError, match="no whole slices of 3 hosts"):
        Pool(name="p", accelerator="tpu-v6e", accelerators_per_node=4, hosts_per_slice=3, **NODE)


def test_a_taint_is_read_as_kubernetes_writes_it():
    """Key, value and effect by Kubernetes' words; another effect is refused."""
    assert Taint(key="google.com/tpu", value="present").effect is Effect.NO_SCHEDULE
    with pytest.raises(ValidationError):
        Taint(key="k", effect="Sometimes")


@pytest.mark.parametrize("topology", ["4", "4x", "axb", "2x2x2x2"])
def test_a_topology_has_two_or_three_sides(topology):
    """Chips are arranged in a plane or in a cube."""
    with pytest.raises(ValidationError):
        Pool(name="p", topology=topology, **NODE)
