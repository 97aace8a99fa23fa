"""Made-up nodes of a mixed estate, labelled as by GKE and GPU feature discovery; kwok keeps them Ready."""

import time

from turnout.fabric.kubernetes.apply import Applier

POOL = "cloud.google.com/gke-nodepool"
GPU_TAINT = {"key": "nvidia.com/gpu", "value": "present", "effect": "NoSchedule"}
TPU_TAINT = {"key": "google.com/tpu", "value": "present", "effect": "NoSchedule"}

PRICES = {
    "cpu": 0.78, "l4": 1.0, "a100": 14.7, "a100-mig": 14.7, "a100-small": 14.7, "h100": 88.5, "v5e": 9.6,
    "v6e-a": 10.8, "v6e-b": 10.8,
}  # fmt: skip
"""USD an hour of a node, made up but in proportion."""

RESTRICTED = {
    "allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}, "runAsNonRoot": True,
    "seccompProfile": {"type": "RuntimeDefault"},
}  # fmt: skip
"""What the restricted Pod Security Standard wants of a container."""


def node(name, pool, instance, cpu, memory, labels=None, taint=None):  # noqa: PLR0917 -- a row of a table
    """One node as its kubelet would register it."""
    there = {"cpu": cpu, "memory": memory, "pods": "110"}

    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "annotations": {"kwok.x-k8s.io/node": "fake"},
            "labels": {
                "kubernetes.io/hostname": name,
                "kubernetes.io/arch": "amd64",
                "kubernetes.io/os": "linux",
                "topology.kubernetes.io/zone": "made-up-a",
                "node.kubernetes.io/instance-type": instance,
                POOL: pool,
                **(labels or {}),
            },
        },
        "spec": {"taints": [taint] if taint else []},
        "status": {"capacity": there, "allocatable": there},
    }


def gpu(name, pool, instance, cpu, memory, product, mebibytes, resources, **labels):  # noqa: PLR0917 -- a row
    """A node with GPUs, or slices of them."""
    made = node(
        name, pool, instance, cpu, memory,
        {"nvidia.com/gpu.product": product, "nvidia.com/gpu.memory": str(mebibytes), **labels}, GPU_TAINT,
    )  # fmt: skip
    made["status"]["capacity"] |= resources
    return made


def tpu(name, pool, instance, accelerator, topology, chips):  # noqa: PLR0917 -- a row of a table
    """A host of a TPU slice."""
    labels = {
        "cloud.google.com/gke-tpu-accelerator": accelerator,
        "cloud.google.com/gke-tpu-topology": topology,
    }
    made = node(name, pool, instance, "110", "180Gi", labels, TPU_TAINT)
    made["status"]["capacity"]["google.com/tpu"] = str(chips)
    return made


HEADS = {"key": "turnout.dev/ray-heads", "value": "present", "effect": "NoSchedule"}
"""Keeps everything else off the nodes of Ray's heads."""


def estate():
    """Every node: CPU, L4, A100 whole and in MIG slices (mixed and single), H100 with 8, TPU v5e and v6e."""
    found = [node("heads-0", "heads", "n2-highmem-64", "63", "480Gi", taint=HEADS)]
    a100, whole = "NVIDIA-A100-SXM4-40GB", {"nvidia.com/gpu": "4"}
    found += [node(f"cpu-{n}", "cpu", "n2-standard-16", "15890m", "57Gi") for n in range(3)]
    found += [
        gpu(f"l4-{n}", "l4", "g2-standard-12", "11910m", "42Gi", "NVIDIA-L4", 23034, {"nvidia.com/gpu": "1"})
        for n in range(6)
    ]
    found += [
        gpu(f"a100-{n}", "a100", "a2-highgpu-4g", "47810m", "320Gi", a100, 40960, whole) for n in range(2)
    ]
    mixed = {"nvidia.com/mig-3g.20gb": "8"}
    found += [
        gpu(f"a100-mig-{n}", "a100-mig", "a2-highgpu-4g", "47810m", "320Gi", a100, 40960, mixed,
            **{"nvidia.com/mig.strategy": "mixed"})
        for n in range(2)
    ]  # fmt: skip
    found.append(
        gpu("a100-small-0", "a100-small", "a2-highgpu-1g", "11910m", "80Gi", f"{a100}-MIG-1g.5gb", 4864,
            {"nvidia.com/gpu": "7"}, **{"nvidia.com/mig.strategy": "single"})
    )  # fmt: skip
    found += [
        gpu(f"h100-{n}", "h100", "a3-highgpu-8g", "207", "1800Gi", "NVIDIA-H100-80GB-HBM3", 81559,
            {"nvidia.com/gpu": "8"})
        for n in range(3)
    ]  # fmt: skip
    found += [tpu(f"v5e-{n}", "v5e", "ct5lp-hightpu-8t", "tpu-v5-lite-podslice", "2x4", 8) for n in range(3)]
    found += [
        tpu(f"v6e-{s}-{n}", f"v6e-{s}", "ct6e-standard-4t", "tpu-v6e-slice", "4x4", 4)
        for s in "ab"
        for n in range(4)
    ]
    return found


def bring_up(applier: Applier, nodes, *, within_seconds=120):
    """Make nodes and wait until the scheduler may use them."""
    for each in nodes:
        applier.call("POST", "/api/v1/nodes", body=each)
    until = time.monotonic() + within_seconds
    names = {each["metadata"]["name"] for each in nodes}
    while waiting := names - usable(applier):
        assert time.monotonic() < until, f"never usable: {sorted(waiting)}"
        time.sleep(0.3)


def usable(applier: Applier):
    """Names of the nodes that are Ready and not tainted for the time being."""
    return {
        each["metadata"]["name"]
        for each in applier.call("GET", "/api/v1/nodes")["items"]
        if {"type": "Ready", "status": "True"}.items()
        <= next((c for c in each["status"].get("conditions", []) if c["type"] == "Ready"), {}).items()
        and not any(t["key"].startswith("node.kubernetes.io/") for t in each["spec"].get("taints", []))
    }
