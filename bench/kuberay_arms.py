"""Two ways to half of the traffic and back, between the same Ray clusters.

`kuberay`: one RayService, whose new version KubeRay takes the traffic to step by step, and back when its old
specification is applied again. `turnout`: two RayServices, and Turnout's route in front of them.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import httpx
from canary_arms import WEIGHT, Guarded, guarded
from canary_site import WITHIN_SECONDS, Site
from live_rig import wait

from turnout.domain.route import Backend
from turnout.fabric.kubernetes.apply import Object
from turnout.lab.cluster.addons import objects
from turnout.lab.cluster.node import store

IMAGE = "ray-models"
VERSIONS = ("legacy", "candidate")
"""What the two versions answer."""

LONGEST_SECONDS = 1200.0
"""Far more than the documented settings take to half of the traffic, or back."""

_PORT = 8000
_NAME = "model"
_OPERATOR = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "kuberay-operator", "namespace": "ray-system"},
}
_GATE = "--feature-gates=RayServiceIncrementalUpgrade=true"
_PATCH = "application/strategic-merge-patch+json"
_CLASS = "kuberay"
_APP = """
import os

from ray import serve
from starlette.responses import PlainTextResponse


@serve.deployment(num_replicas=1, ray_actor_options={"num_cpus": 0.1})
class Version:
    async def __call__(self, request):
        return PlainTextResponse(os.environ["VERSION"])


app = Version.bind()
"""
_CONFIG = "applications: [{name: version, import_path: version:app, route_prefix: /}]"


@dataclass(frozen=True)
class Pace:
    """How fast KubeRay moves.

    Attributes:
        step: Percent of the traffic that move at once.
        interval: Seconds from one such step to the next.
        surge: Percent of the capacity that are added, or taken away, at once.
    """

    step: int
    interval: int
    surge: int


EXAMPLE = Pace(step=5, interval=10, surge=20)
PACES = {
    "kuberay-example": (EXAMPLE, EXAMPLE),
    "kuberay-sample": (Pace(step=10, interval=30, surge=10),) * 2,
    "kuberay-careful": (Pace(step=10, interval=60, surge=20),) * 2,
    "kuberay-hurried": (EXAMPLE, Pace(step=100, interval=1, surge=100)),
}
"""By arm, the way there and the way back."""


class Arm(Protocol):
    """A model with two versions, all traffic on the old one.

    Attributes:
        host: What its clients call.
        port: Of the node's address, where they call.
    """

    host: str
    port: int | None

    def go(self) -> None:
        """Take half of the traffic to the new version."""

    def back(self) -> None:
        """Decide to go back."""

    def over(self) -> bool:
        """Whether whoever moves the traffic says that all of it is back."""


@dataclass
class _Turnout:
    """Turnout's arm."""

    port = None
    one: Guarded
    site: Site
    backend: Backend

    @property
    def host(self) -> str:
        return self.one.host

    def go(self) -> None:
        self.one.open(self.site, self.backend)
        self.one.give()

    def back(self) -> None:
        self.one.router.roll_back(self.one.model, self.one.attempt, reason="measured", by="bench")

    def over(self) -> bool:
        return self.one.verdict() is not None


@dataclass
class _KubeRay:
    """KubeRay's arm."""

    host = "any.example.com"
    site: Site
    space: str
    image: str
    there: Pace
    again: Pace

    @property
    def port(self) -> int:
        """Where KubeRay's own Gateway is reached."""
        query = {"labelSelector": f"gateway.envoyproxy.io/owning-gateway-namespace={self.space}"}
        path = "/api/v1/namespaces/envoy-gateway-system/services"
        (service,) = self.site.writer.call("GET", path, query)["items"]
        found: int = service["spec"]["ports"][0]["nodePort"]
        return found

    def apply(self, version: str, pace: Pace) -> None:
        """Apply the RayService with a version in its cluster's specification."""
        made = _service(self.space, self.image, version, name=_NAME)
        options = {
            "gatewayClassName": _CLASS,
            "stepSizePercent": pace.step,
            "intervalSeconds": pace.interval,
            "maxSurgePercent": pace.surge,
        }
        strategy = {"type": "NewClusterWithIncrementalUpgrade", "clusterUpgradeOptions": options}
        made["spec"]["upgradeStrategy"] = strategy
        self.site.writer.apply([made])

    def go(self) -> None:
        self.apply("candidate", self.there)
        half = round(100 * WEIGHT)
        wait(lambda: half in self._weights()[1:], LONGEST_SECONDS, f"{half} % on the new version")

    def back(self) -> None:
        self.apply("legacy", self.again)

    def over(self) -> bool:
        """Whether the new version's cluster is given up, which KubeRay does last."""
        path = f"/apis/ray.io/v1/namespaces/{self.space}/rayservices/{_NAME}"
        status = self.site.writer.call("GET", path)["status"]
        return not status.get("pendingServiceStatus", {}).get("rayClusterName")

    def serves(self) -> bool:
        """Whether the old version answers through KubeRay's Gateway."""
        with contextlib.suppress(httpx.HTTPError):
            return httpx.get(f"http://{self.site.address}:{self.port}").text == VERSIONS[0]
        return False

    def _weights(self) -> list[int]:
        """Of the active cluster, then of the pending one."""
        path = f"/apis/gateway.networking.k8s.io/v1/namespaces/{self.space}/httproutes/{_NAME}-httproute"
        (rule,) = self.site.writer.call("GET", path)["spec"]["rules"]
        return [each["weight"] for each in rule["backendRefs"]]


@contextlib.contextmanager
def turnout(site: Site, space: str) -> Iterator[Arm]:
    """Turnout's arm; its sentinel ends with the block."""
    image = store.of(site.plane.root).build(IMAGE, print)
    services = [_service(space, image, version, name=version) for version in VERSIONS]
    site.writer.apply([_code(space), *services])
    for service in services:
        objects.wait(site.writer, service, objects.condition("Ready"))
    legacy, candidate = (
        Backend(name=name, host=f"{name}-serve-svc.{space}.svc.cluster.local", port=_PORT)
        for name in VERSIONS
    )
    with guarded(site, space, legacy) as one:
        yield _Turnout(one, site, candidate)


@contextlib.contextmanager
def kuberay(site: Site, space: str, there: Pace, again: Pace) -> Iterator[Arm]:
    """KubeRay's arm: an operator with the feature's gate open, and a Gateway of its own."""
    _open_gate(site)
    site.writer.apply([*_gateway_class(site), _code(space)])
    one = _KubeRay(site, space, store.of(site.plane.root).build(IMAGE, print), there, again)
    one.apply("legacy", one.there)
    service = _service(space, one.image, "legacy", name=_NAME)
    objects.wait(site.writer, service, objects.condition("Ready"))
    gateway = {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "Gateway",
        "metadata": {"name": f"{_NAME}-gateway", "namespace": space},
    }
    objects.wait(site.writer, gateway, objects.condition("Programmed"))
    wait(one.serves, WITHIN_SECONDS, "the old version answers")
    yield one


def _open_gate(site: Site) -> None:
    """Start the operator with the feature that its own version leaves off."""
    container = {"name": "kuberay-operator", "args": [_GATE]}
    body = {"spec": {"template": {"spec": {"containers": [container]}}}}
    site.writer.call("PATCH", site.writer.path(_OPERATOR), body=body, content=_PATCH)
    objects.wait(site.writer, _OPERATOR, objects.available)


def _gateway_class(site: Site) -> list[Object]:
    """The class of KubeRay's Gateway: as the lab's own, but at a port of the node that is free."""
    version, namespace = "gateway.envoyproxy.io/v1alpha1", "envoy-gateway-system"
    provider = {
        "type": "Kubernetes",
        "kubernetes": {
            "envoyDeployment": {"container": {"image": site.image}},
            "envoyService": {"type": "NodePort"},
        },
    }
    return [
        {
            "apiVersion": version,
            "kind": "EnvoyProxy",
            "metadata": {"name": _CLASS, "namespace": namespace},
            "spec": {"provider": provider},
        },
        {
            "apiVersion": "gateway.networking.k8s.io/v1",
            "kind": "GatewayClass",
            "metadata": {"name": _CLASS},
            "spec": {
                "controllerName": "gateway.envoyproxy.io/gatewayclass-controller",
                "parametersRef": {
                    "group": "gateway.envoyproxy.io",
                    "kind": "EnvoyProxy",
                    "name": _CLASS,
                    "namespace": namespace,
                },
            },
        },
    ]


def _code(space: str) -> Object:
    """The application that answers with its version."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "app", "namespace": space},
        "data": {"version.py": _APP},
    }


def _service(space: str, image: str, version: str, *, name: str) -> Object:
    """A RayService of one small head that also works, beside it the autoscaler that KubeRay's way needs."""
    head = {
        "name": "ray-head",
        "image": image,
        "imagePullPolicy": "Never",
        "env": [{"name": "PYTHONPATH", "value": "/app"}, {"name": "VERSION", "value": version}],
        "resources": {
            "requests": {"cpu": "300m", "memory": "1Gi"},
            "limits": {"cpu": "2", "memory": "3Gi"},
        },
        "volumeMounts": [{"name": "app", "mountPath": "/app"}],
    }
    pod = {"containers": [head], "volumes": [{"name": "app", "configMap": {"name": "app"}}]}
    room = {"cpu": "1", "memory": "1Gi"}
    worker = {
        "name": "ray-worker",
        "image": image,
        "imagePullPolicy": "Never",
        "resources": {"requests": room, "limits": room},
    }
    cluster = {
        "rayVersion": "2.60.0",
        "enableInTreeAutoscaling": True,
        "autoscalerOptions": {
            "imagePullPolicy": "Never",
            "resources": {
                "requests": {"cpu": "50m", "memory": "256Mi"},
                "limits": {"cpu": "1", "memory": "1Gi"},
            },
        },
        "headGroupSpec": {
            "rayStartParams": {"dashboard-host": "0.0.0.0", "num-cpus": "1"},  # noqa: S104 -- in a pod
            "template": {"spec": pod},
        },
        # The autoscaler wants a group that it could scale; it has no reason to.
        "workerGroupSpecs": [
            {
                "groupName": "none",
                "replicas": 0,
                "minReplicas": 0,
                "maxReplicas": 1,
                "rayStartParams": {},
                "template": {"spec": {"containers": [worker]}},
            }
        ],
    }
    return {
        "apiVersion": "ray.io/v1",
        "kind": "RayService",
        "metadata": {"name": name, "namespace": space},
        "spec": {"serveConfigV2": _CONFIG, "rayClusterConfig": cluster},
    }
