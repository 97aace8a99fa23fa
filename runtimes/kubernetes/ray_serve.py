"""Ray Serve on Kubernetes: a RayService of KubeRay, models on workers of the pool, a head that holds none.

A bridge alone is a head alone: it holds no model, and a second pod would not outlive the head, with which a
whole Ray cluster goes. Until KubeRay has made the next one, the router answers from legacy.
"""

from typing import Any

import yaml

from runtimes.kubernetes import pods
from runtimes.kubernetes.pods import Object
from runtimes.kubernetes.served import Served
from runtimes.ray_serve.interface import KEEP_ALIVE_SECONDS
from turnout.domain.errors import InvalidInputError

RAY_VERSION = "2.60.0"
PORTS = {"gcs": 6379, "dashboard": 8265, "client": 10001, "serve": 8000}
GROUP = "workers"
REPLICA = "ray.io/worker-group-replica-name"
"""Label by which KubeRay tells the pods of one multi-host replica from another's."""
NO_CPUS = {"ray_actor_options": {"num_cpus": 0}}
"""A bridge's: it takes none of the cores that a model's replicas are counted in, and so may run on a head."""

_HOST = "0.0.0.0"  # noqa: S104 -- within the pod
_HTTP = {"host": _HOST, "port": PORTS["serve"], "keep_alive_timeout_s": KEEP_ALIVE_SECONDS}


def applications(served: Served) -> tuple[Object, ...]:
    """What Ray Serve runs: the package's own application, and the bridge that clients call.

    Raises:
        InvalidInputError: The package does not say what to import.
    """
    own = (application(served),) if served.package else ()
    return (*own, served.bridge) if served.bridge else own


def application(served: Served) -> Object:
    """The Ray Serve application that the package holds; behind a bridge nothing of it is reached by HTTP.

    The image is the environment that Turnout's own applications are locked to; their code is loaded from
    where the package is mounted.

    Raises:
        InvalidInputError: The package does not say what to import.
    """
    config, assigned = served.runtime_config, served.assignment
    if "import_path" not in config:
        raise InvalidInputError(
            f"package of {assigned.model}", observed="no import_path in its runtime configuration",
            limit="what Ray Serve imports, such as app:model", remedy="Package the model again.",
        )  # fmt: skip
    own: Object = {"runtime_env": {}}
    if "code" in config:
        own = {
            "runtime_env": {"working_dir": f"local://{pods.PACKAGE}/{config['code']}"},
            "args": {"root": pods.PACKAGE},
        }
    return {
        "name": served.attempt,
        "route_prefix": None if served.bridge else config.get("route_prefix", "/"),
        "import_path": config["import_path"],
        **own,
        "deployments": [_deployment(each, assigned.replicas) for each in config.get("deployments", ())],
    }


def _deployment(declared: Object, replicas: int) -> Object:
    """Its replicas as declared, fixed or in a range; where nothing is, as many as were placed."""
    if {"num_replicas", "autoscaling_config"} & declared.keys():
        return declared
    return {"num_replicas": replicas, **declared}


def manifests(served: Served, *applications: Object) -> tuple[Object, ...]:
    """The RayService of an attempt, and a disruption budget for its workers.

    Args:
        served: What is served.
        applications: What it runs.
    """
    assigned = served.assignment
    config = {"http_options": _HTTP, "applications": list(applications)}
    service = {
        "apiVersion": "ray.io/v1",
        "kind": "RayService",
        "metadata": pods.metadata(served),
        "spec": {
            "serveConfigV2": yaml.safe_dump(config, sort_keys=False),
            "rayClusterConfig": {
                "rayVersion": RAY_VERSION,
                "headGroupSpec": _head(served),
                "workerGroupSpecs": [_workers(served)] if served.package else [],
            },
        },
    }
    if assigned.replicas == 1 or not served.package:
        return (service,)
    return (service, pods.disruption_budget(served, (assigned.replicas - 1) * assigned.hosts))


def _head(served: Served) -> Object:
    """The head, with no accelerator and no model; placement's pools are for the workers."""
    spec = pods.pod(served, _container("ray-head", PORTS), shared_memory=True)
    for key in ("nodeSelector", "tolerations", "topologySpreadConstraints"):
        del spec[key]
    if served.head_pool:
        spec["nodeSelector"] = pods.selector(served.head_pool)
        spec["tolerations"] = pods.tolerations(served.head_pool)
    spec["containers"][0]["resources"] = pods.amounts(served.head.cpu, served.head.memory_gib)
    return {
        "rayStartParams": {"num-cpus": "0", "dashboard-host": _HOST},
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
