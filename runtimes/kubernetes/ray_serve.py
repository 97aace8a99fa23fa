"""Ray Serve on Kubernetes: a RayService of KubeRay, workers on the pool, a head without work."""

from typing import Any

import yaml

from runtimes.kubernetes import pods
from runtimes.kubernetes.pods import Object
from runtimes.kubernetes.served import Served
from turnout.domain.errors import InvalidInputError

RAY_VERSION = "2.60.0"
PORTS = {"gcs": 6379, "dashboard": 8265, "client": 10001, "serve": 8000}
GROUP = "workers"
REPLICA = "ray.io/worker-group-replica-name"
"""Label by which KubeRay tells the pods of one multi-host replica from another's."""
HEAD = {"cpu": "2", "memory": "8Gi"}
"""Ray's own advice for a head in production is 8 GiB and no work."""


def application(served: Served) -> Object:
    """The Ray Serve application that the package holds.

    Raises:
        InvalidInputError: The package does not say what to import.
    """
    config, assigned = served.runtime_config, served.assignment
    if "import_path" not in config:
        raise InvalidInputError(
            f"package of {assigned.model}", observed="no import_path in its runtime configuration",
            limit="what Ray Serve imports, such as app:model", remedy="Package the model again.",
        )  # fmt: skip
    return {
        "name": served.name,
        "route_prefix": config.get("route_prefix", "/"),
        "import_path": config["import_path"],
        "runtime_env": {"working_dir": f"file://{pods.PACKAGE}/{config['code']}"} if "code" in config else {},
        **({"args": {"root": pods.PACKAGE}} if "code" in config else {}),
        "deployments": [_deployment(each, assigned.replicas) for each in config.get("deployments", ())],
    }


def _deployment(declared: Object, replicas: int) -> Object:
    """Its replicas as declared, fixed or in a range; where nothing is, as many as were placed."""
    if {"num_replicas", "autoscaling_config"} & declared.keys():
        return declared
    return {"num_replicas": replicas, **declared}


def manifests(served: Served, application: Object) -> tuple[Object, ...]:
    """The RayService of an attempt, and a disruption budget for its workers.

    Args:
        served: What is served.
        application: The one application that it runs.
    """
    assigned = served.assignment
    service = {
        "apiVersion": "ray.io/v1",
        "kind": "RayService",
        "metadata": pods.metadata(served),
        "spec": {
            "serveConfigV2": yaml.safe_dump({"applications": [application]}, sort_keys=False),
            "rayClusterConfig": {
                "rayVersion": RAY_VERSION,
                "headGroupSpec": _head(served),
                "workerGroupSpecs": [_workers(served)],
            },
        },
    }
    if assigned.replicas == 1:
        return (service,)
    return (service, pods.disruption_budget(served, (assigned.replicas - 1) * assigned.hosts))


def _head(served: Served) -> Object:
    """The head, with no accelerator and no work of its own; placement's pools are for the workers."""
    spec = pods.pod(served, _container("ray-head", PORTS), shared_memory=True)
    for key in ("nodeSelector", "tolerations", "topologySpreadConstraints"):
        del spec[key]
    if served.head_pool:
        spec["nodeSelector"] = pods.selector(served.head_pool)
        spec["tolerations"] = pods.tolerations(served.head_pool)
    spec["containers"][0]["resources"] = {"requests": HEAD, "limits": HEAD}
    return {
        "rayStartParams": {"num-cpus": "0", "dashboard-host": "0.0.0.0"},  # noqa: S104 -- within the pod
        # By this one label it is found when the attempt goes; the budget's two labels leave it out.
        "template": {"metadata": {"labels": {pods.INSTANCE: served.name}}, "spec": spec},
    }


def _workers(served: Served) -> Object:
    assigned = served.assignment
    spec = pods.pod(served, _container("ray-worker", {"serve": PORTS["serve"]}), shared_memory=True)
    if served.pool.hosts_per_slice > 1:
        spec["affinity"] = _whole_slices(served)
    return {
        "groupName": GROUP,
        "replicas": assigned.replicas,
        "minReplicas": assigned.replicas,
        "maxReplicas": assigned.replicas,
        "numOfHosts": assigned.hosts,
        "rayStartParams": {},
        "template": {"metadata": {"labels": pods.metadata(served)["labels"]}, "spec": spec},
    }


def _whole_slices(served: Served) -> Object:
    """All pods of a replica in one slice, and no other replica's in it."""
    term: dict[str, Any] = {
        "topologyKey": pods.SLICE,
        "labelSelector": {"matchLabels": served.labels},
    }
    rule = "requiredDuringSchedulingIgnoredDuringExecution"
    return {
        "podAffinity": {rule: [{**term, "matchLabelKeys": [REPLICA]}]},
        "podAntiAffinity": {rule: [{**term, "mismatchLabelKeys": [REPLICA]}]},
    }


def _container(name: str, ports: dict[str, int]) -> Object:
    return {
        "name": name,
        "ports": [{"name": each, "containerPort": port} for each, port in ports.items()],
        "env": [{"name": "RAY_USAGE_STATS_ENABLED", "value": "0"}],
    }
