import shutil
from pathlib import Path

import pytest

from turnout.domain.accelerators import AcceleratorKind
from turnout.fabric import pools
from turnout.settings import load

KUBERNETES = Path(__file__).parents[3] / "deployments" / "kubernetes"
ACCELERATORS = {
    "laptop": set(),
    "gke": {AcceleratorKind.GPU, AcceleratorKind.TPU},
    "eks": {AcceleratorKind.GPU},
    "aks": {AcceleratorKind.GPU},
}


@pytest.mark.parametrize("overlay", ACCELERATORS)
def test_an_overlays_pools_can_be_placed_on(overlay):
    """Each overlay's pools file is read, has a pool without accelerators, and those of its cloud."""
    found = pools.read(KUBERNETES / "overlays" / overlay / "pools.yaml")
    kinds = {pool.kind for pool in found if pool.accelerator}
    assert kinds == ACCELERATORS[overlay]
    assert [pool for pool in found if not pool.accelerator]
    if kinds:
        assert all(pool.node_labels for pool in found)
        assert all(pool.taints for pool in found if pool.accelerator)


@pytest.mark.parametrize("overlay", ACCELERATORS)
def test_an_overlays_cluster_section_is_read(overlay, tmp_path):
    """In the place of the base's, as its pods mount it: with images, and volumes that its class gives."""
    for file in (KUBERNETES / "base" / "turnout.yaml", KUBERNETES / "overlays" / overlay / "cluster.yaml"):
        shutil.copy(file, tmp_path)
    found = load(tmp_path / "turnout.yaml").cluster
    assert {"worker", "triton"} <= found.images.keys()
    assert (found.packages.access_mode == "ReadWriteOnce") == (overlay == "laptop")


def test_the_shipped_settings_are_read():
    """What every pod mounts has no unknown key, and reads the estate from the cluster."""
    found = load(KUBERNETES / "base" / "turnout.yaml")
    assert found.estate == "cluster"
    assert found.sentinel.startswith("http://turnout-sentinel.turnout.svc:")
