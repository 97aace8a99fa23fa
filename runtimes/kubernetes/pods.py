"""What the pods of every runtime have in common: place, resources, restrictions, mounts."""

from typing import Any

from runtimes.kubernetes.served import Served
from turnout.domain.pools import Pool

Object = dict[str, Any]

PACKAGE = "/package"
"""Where the package is mounted."""
SCRATCH = "/tmp"  # noqa: S108 -- an emptyDir of the pod's own
"""The one place that a container may write to, with /dev/shm."""
USER = 1000
GRACE_SECONDS = 120
"""Requests under way are finished before a pod ends."""
ARRIVAL_SECONDS = 900
"""A node may have to be added to its pool first, and an image of many gigabytes to be pulled."""
SLICE = "cloud.google.com/gke-nodepool"
"""GKE makes each multi-host TPU slice a node pool of its own."""
TOPOLOGY = "cloud.google.com/gke-tpu-topology"

INSTANCE = "app.kubernetes.io/instance"
"""Label of everything of an attempt, with the name of its objects."""
_HOST = "kubernetes.io/hostname"
_ZONE = "topology.kubernetes.io/zone"
_MIB = 1024


def metadata(served: Served, name: str | None = None) -> Object:
    """Name, namespace and labels of an object."""
    mark = {"app.kubernetes.io/managed-by": "turnout", "turnout.dev/pool": served.pool.name[:63]}
    return {
        "name": name or served.name,
        "namespace": served.assignment.namespace,
        "labels": served.labels | {key: value for key, value in mark.items() if _is_label(value)},
        "annotations": {"turnout.dev/attempt": served.attempt, "turnout.dev/model": served.assignment.model},
    }


def resources(served: Served) -> Object:
    """Requests and limits of one host's container: the same, so that nothing is squeezed out."""
    assigned = served.assignment
    devices = {}
    if assigned.accelerators and served.pool.resource:
        devices[served.pool.resource] = str(assigned.accelerators)
    return amounts(assigned.cpu, assigned.memory_gib, **devices)


def amounts(cpu: float, memory_gib: float, **devices: str) -> Object:
    """Requests and limits that are the same."""
    each = {"cpu": f"{round(cpu * 1000)}m", "memory": f"{int(memory_gib * _MIB)}Mi", **devices}
    return {"requests": each, "limits": each}


def place(served: Served) -> Object:
    """Where a pod may run: the pool's nodes and no others, spread over hosts and zones where it can be."""
    return {
        "nodeSelector": selector(served.pool),
        "tolerations": tolerations(served.pool),
        "topologySpreadConstraints": [
            {
                "maxSkew": 1,
                "topologyKey": key,
                "whenUnsatisfiable": "ScheduleAnyway",
                "labelSelector": {"matchLabels": served.labels},
            }
            for key in (_HOST, _ZONE)
        ],
    }


def selector(pool: Pool) -> dict[str, str]:
    """Labels that reach the pool's nodes; a TPU slice is asked for by its topology, too."""
    topology = {TOPOLOGY: pool.topology} if pool.topology else {}
    return topology | pool.node_labels


def tolerations(pool: Pool) -> list[Object]:
    """Exactly the pool's taints: no other pool's doors are opened."""
    return [
        {"key": taint.key, "operator": "Equal", "value": taint.value, "effect": taint.effect.value}
        for taint in pool.taints
    ]


def pod(served: Served, container: Object, *, shared_memory: bool = False) -> Object:
    """The spec of a pod with one container, under the restricted Pod Security Standard.

    Args:
        served: What is served.
        container: Its image, command, ports and probes; the rest is added.
        shared_memory: Whether its processes share memory (several accelerators, Ray's object store).
    """
    volumes: list[Object] = [{"name": "scratch", "emptyDir": {}}]
    mounts: list[Object] = [{"name": "scratch", "mountPath": SCRATCH}]
    if package := served.package:
        volumes.insert(0, {"name": "package", **package.volume()})
        mounts.insert(0, {"name": "package", "mountPath": PACKAGE, "readOnly": True, **package.part()})
    if shared_memory:
        volumes.append({"name": "shared-memory", "emptyDir": {"medium": "Memory"}})
        mounts.append({"name": "shared-memory", "mountPath": "/dev/shm"})  # noqa: S108 -- the pod's own
    return {
        **place(served),
        **restrictions(),
        "terminationGracePeriodSeconds": GRACE_SECONDS,
        "volumes": volumes,
        "containers": [
            {"image": served.image, "resources": resources(served), **container,
             "env": [{"name": "HOME", "value": SCRATCH}, *container.get("env", ())],
             "volumeMounts": mounts, "securityContext": container_restrictions()}
        ],
    }  # fmt: skip


def restrictions() -> Object:
    """A pod that is nobody: no root, no token of the API server."""
    return {
        "automountServiceAccountToken": False,
        "securityContext": {
            "runAsNonRoot": True, "runAsUser": USER, "runAsGroup": USER, "fsGroup": USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
    }  # fmt: skip


def container_restrictions() -> Object:
    """A container that can write to its mounts alone, and gain nothing."""
    return {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def deployment(served: Served, spec: Object, *, start_seconds: int) -> Object:
    """A Deployment of an attempt's replicas. An update makes room first: chips are rarely free twice.

    Args:
        served: What is served.
        spec: Spec of its pods.
        start_seconds: How long a pod may take to start, once it has its node and its image.
    """
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata(served),
        "spec": {
            "replicas": served.assignment.replicas,
            "progressDeadlineSeconds": start_seconds + ARRIVAL_SECONDS,
            "selector": {"matchLabels": served.labels},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}},
            "template": {"metadata": {"labels": metadata(served)["labels"]}, "spec": spec},
        },
    }


def service(served: Served, ports: dict[str, int]) -> Object:
    """A Service in front of an attempt's ready pods."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(served),
        "spec": {
            "selector": served.labels,
            "ports": [{"name": name, "port": port, "targetPort": name} for name, port in ports.items()],
        },
    }


def service_of_each(served: Served, ports: dict[str, int]) -> Object:
    """A Service whose name leads to each ready pod: for callers that stay connected and share out."""
    made = service(served, ports)
    made["metadata"]["name"] = each_of(served.name)
    made["spec"]["clusterIP"] = "None"
    return made


def each_of(name: str) -> str:
    """Name of the Service that leads to each pod of an attempt's."""
    return f"{name}-each"


def disruption_budget(served: Served, at_least: int | None = None) -> Object:
    """How many pods a drain may take at once: one of a Deployment's, or so many that `at_least` stay.

    A budget for pods of other owners than Kubernetes' own has to be said in pods that stay.
    """
    limit = {"maxUnavailable": 1} if at_least is None else {"minAvailable": at_least}
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": metadata(served),
        "spec": {**limit, "selector": {"matchLabels": served.labels}},
    }


def _is_label(value: str) -> bool:
    inner = value.replace("-", "").replace("_", "").replace(".", "")
    return value == value.strip("-_.") and inner.isascii() and inner.isalnum()
