"""The overlay that installs Turnout's own parts on the node: the laptop's, without registry and cloud.

Images are built from their Dockerfiles and brought onto the node, volumes are folders of it, and the Gateway
is reached at the node's own address. `turnout install DIRECTORY` does the rest, as on any cluster.
"""

import os
from pathlib import Path

import yaml

from turnout.domain.errors import RefusedError
from turnout.fabric import whole
from turnout.fabric.environments import Progress
from turnout.fabric.kubernetes import kustomize
from turnout.fabric.kubernetes.apply import Applier, Object
from turnout.fabric.kubernetes.installation import LABEL, NAMESPACE
from turnout.lab.cluster import plane
from turnout.lab.cluster.node import store, volumes

PORT = 8080
"""Where clients reach Turnout's Gateway at the node's address; the lab's own Gateway has port 80."""

_IMAGES = {
    "turnout-worker": "worker",
    "turnout-sentinel": "sentinel",
    "turnout-shadow": "shadow",
    "turnout-mlflow": "mlflow",
    "turnout-objects": "objects",
    "postgres": "postgres",
}
"""By the names that the manifests have for them: Dockerfiles."""
_CANDIDATES = {"worker": "worker", "triton": "triton", "ray_serve": "ray-models", "vllm": "vllm"}
"""By the names that the settings have for what candidates are deployed with: Dockerfiles."""
_HEAD = {"cpu": 0.35, "memory_gib": 2}
"""Ray's heads hold bridges and no model here, as on the laptop."""
HOSTNAME = "{model}.models.example.com"
"""What clients of this Gateway call."""
_PROCESSES, _POOLS, _NAMES = "processes", "pools.yaml", "names.yaml"
_PROXY = "/apis/gateway.envoyproxy.io/v1alpha1/namespaces/envoy-gateway-system/envoyproxies/turnout"


def write(root: Path, say: Progress, *, jobs: bool = False) -> Path:
    """Bring everything onto the node that an installation needs of it, and write the overlay.

    Args:
        root: The state directory of a cluster that is up, with a Gateway.
        say: Gets a line of text now and then.
        jobs: Flow runs are Jobs, as on a cloud, and not processes of the worker.

    Returns:
        The overlay's directory.

    Raises:
        NotFoundError: The cluster is not up.
        RefusedError: It has no Gateway.
        TemporaryError: An image could not be built, or containerd did not take it.
    """
    there, images = plane.read(root), store.of(root)
    if there.gateway is None:
        raise RefusedError(
            f"cluster in {root}", observed="no Gateway", limit="a cluster with a Gateway",
            remedy="Run: turnout lab cluster down, then: turnout lab cluster up --with gateway",
        )  # fmt: skip
    built = {name: images.build(dockerfile, say) for name, dockerfile in _IMAGES.items()}
    candidates = {name: images.build(dockerfile, say) for name, dockerfile in _CANDIDATES.items()}
    directory = root / "overlay"
    with Applier(there.kubeconfig) as applier:
        proxy = applier.call("GET", _PROXY)["spec"]["provider"]["kubernetes"]["envoyDeployment"]["container"]
        for name, said in _settings(candidates).items():
            whole.write(directory / name, yaml.safe_dump(said, sort_keys=False))
        address = there.gateway.rpartition(":")[0]
        whole.write(directory / _NAMES, yaml.safe_dump(_names(address), sort_keys=False))
        written = _kustomization(built, proxy["image"], address)
        _stand_on(written, kustomize.place("laptop").resolve(), directory.resolve(), jobs=jobs)
        whole.write(directory / "kustomization.yaml", yaml.safe_dump(written, sort_keys=False))
        volumes.ensure(applier, root / "volumes", kustomize.render(directory))
        volumes.ensure_for_packages(applier, root / "volumes")
    return directory


def _settings(candidates: dict[str, str]) -> dict[str, Object]:
    """The settings by file: the base's own, with a Gateway for clients, and what candidates run on.

    Args:
        candidates: References of the images by the settings' names for them.
    """
    base = yaml.safe_load((kustomize.overlays().parent / "base" / "turnout.yaml").read_text())
    gateway = {
        "namespace": "turnout",
        "name": "turnout",
        "hostname": HOSTNAME,
        "sentinel": "turnout-sentinel.turnout.svc:8080",
        "shadow": "turnout-shadow.turnout.svc:9000",
    }
    packages = {"storage_class": volumes.PACKAGES, "access_mode": "ReadWriteOnce"}
    return {
        "turnout.yaml": {**base, "gateway": gateway},
        "cluster.yaml": {"images": candidates, "packages": packages, "head": _HEAD},
    }


def _stand_on(written: Object, laptop: Path, directory: Path, *, jobs: bool) -> None:
    """Let what differs on this node stand on the laptop's overlay; with `jobs` on all but its processes.

    Args:
        written: What differs.
        laptop: The laptop's overlay.
        directory: Where it will lie; kustomize takes no absolute path, and no file of another directory.
        jobs: Flow runs are Jobs.
    """
    if not jobs:
        written["resources"].append(os.path.relpath(laptop, directory))
        return
    said = yaml.safe_load((laptop / "kustomization.yaml").read_text())
    parts = [each for each in said["components"] if Path(each).name != _PROCESSES]
    for key, places in (("resources", said["resources"]), ("components", parts)):
        written.setdefault(key, []).extend(os.path.relpath(laptop / each, directory) for each in places)
    written["labels"] = said["labels"]
    pools = {"name": "turnout-pools", "namespace": "turnout", "files": [_POOLS]}
    written["configMapGenerator"].append(pools)
    whole.write(directory / _POOLS, (laptop / _POOLS).read_text())


def _kustomization(built: dict[str, str], proxy: str, address: str) -> Object:
    """What differs on this node.

    Args:
        built: References of the images by the manifests' names for them.
        proxy: The image of the Gateway's proxies.
        address: The node's address.
    """
    # The node's own address: no cloud gives this service one.
    service = {"type": "ClusterIP", "patch": {"value": {"spec": {"externalIPs": [address]}}}}
    kubernetes = "/spec/provider/kubernetes"
    return {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": [_NAMES],
        "images": [
            {"name": name, "newName": new, "newTag": tag}
            for name, reference in built.items()
            for new, _, tag in [reference.rpartition(":")]
        ],
        "configMapGenerator": [
            {
                "name": "turnout-settings",
                "namespace": "turnout",
                "behavior": "merge",
                "files": ["turnout.yaml", "cluster.yaml"],
            }
        ],
        "generatorOptions": {"disableNameSuffixHash": True},
        "patches": [
            _patch(
                "EnvoyProxy",
                {"op": "add", "path": f"{kubernetes}/envoyDeployment/container/image", "value": proxy},
                {"op": "add", "path": f"{kubernetes}/envoyService", "value": service},
            ),
            _patch("Gateway", {"op": "replace", "path": "/spec/listeners/0/port", "value": PORT}),
        ],
    }


def _names(address: str) -> Object:
    """Names are resolved at the node's address here, by no pod that the base's policy could mean."""
    label, _, value = LABEL.partition("=")
    meta = {"name": "names-of-the-node", "namespace": NAMESPACE, "labels": {label: value}}
    ports = [{"protocol": protocol, "port": 53} for protocol in ("UDP", "TCP")]
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": meta,
        "spec": {
            "podSelector": {},
            "policyTypes": ["Egress"],
            "egress": [{"to": [{"ipBlock": {"cidr": f"{address}/32"}}], "ports": ports}],
        },
    }


def _patch(kind: str, *operations: Object) -> Object:
    """Changes of the one object of a kind that is called turnout."""
    return {"target": {"kind": kind, "name": "turnout"}, "patch": yaml.safe_dump(list(operations))}
