"""Two ways to take a model's clients to a candidate and back, each as its own documentation sets it up.

`turnout`: an HTTPRoute of Turnout's, the candidate behind its door, the sentinel as a process outside the
cluster that the proxies send their records to, as tests/cluster/node/test_guarded_gateway.py has it. `argo`:
a Rollout whose canary steps move an HTTPRoute's weights by the Gateway API plugin, with a background analysis
of what the Gateway's proxy counts.
"""

import contextlib
import ipaddress
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import httpx
import yaml
from canary_site import WITHIN_SECONDS, Site, model
from live_rig import wait

from tests.cluster.node.outside import endpoints
from turnout.domain.route import Backend, Opening, Registration, RouteChange, RoutePolicy
from turnout.fabric import ports
from turnout.fabric.environments import project_root
from turnout.fabric.gateway_api.place import Place
from turnout.fabric.gateway_api.router import GatewayRouter
from turnout.fabric.kubernetes.apply import Object
from turnout.lab.cluster.addons import gateway, objects
from turnout.lab.cluster.addons.rollouts import PLUGIN
from turnout.settings import Gateway, Settings
from turnout.settings_file import VARIABLE

WEIGHT = 0.5
POLICY = RoutePolicy(try_seconds=2.0, request_seconds=10.0)

_HOSTNAME = "{model}.turnout.example.com"
_MERGE = "application/merge-patch+json"
_SETTLE_SECONDS = 3.0
"""From a canary that is ready to proxies that know it."""


@dataclass(frozen=True)
class Verdict:
    """Who judges has spoken: when that could be seen, and in which words."""

    at: float
    reason: str


class Arm(Protocol):
    """A model in the middle of its way, its candidate ready at weight 0.

    Attributes:
        host: What its clients call.
        candidate: Label selector of the candidate's pods.
    """

    host: str
    candidate: str

    def give(self) -> None:
        """Give the candidate its weight."""

    def verdict(self) -> Verdict | None:
        """The verdict; None while there is none."""


@dataclass(frozen=True)
class Analysis:
    """How Argo Rollouts judges.

    Attributes:
        interval: Between two measurements.
        delay: From the weight to the first.
        window: What a measurement looks back on.
        failure_limit: Failed measurements that are let pass.
        function: What PromQL works the rate out with.
    """

    interval: str
    window: str
    failure_limit: int
    function: str = "rate"
    delay: str = "0s"


@dataclass(frozen=True)
class _Outside:
    """Where a sentinel listens, outside the cluster."""

    address: str
    http: int
    otlp: int

    @property
    def url(self) -> str:
        return f"http://{self.address}:{self.http}"


@dataclass
class Guarded:
    """Turnout's arm.

    Attributes:
        host: What its clients call.
        candidate: Label selector of the candidate's pods.
        router: What moves its traffic.
        model: Its name.
        sentinel: Where the sentinel answers.
        number: Of the attempt that is open.
    """

    host: str
    candidate: str
    router: GatewayRouter
    model: str
    sentinel: str
    number: int = 0

    @property
    def attempt(self) -> str:
        """The attempt that is open."""
        return f"{self.model}-{self.number}"

    def open(self, site: Site, backend: Backend) -> None:
        """Open the next attempt, armed when this returns."""
        self.number += 1
        self.router.open(Opening(model=self.model, attempt=self.attempt, candidate=backend, policy=POLICY))
        url = f"{self.sentinel}/attempts/{self.attempt}"
        # Records of requests are what it arms by; clients come later.
        wait(lambda: _asked(site, self.host) and _armed(url), WITHIN_SECONDS, "the candidate is armed")

    def give(self) -> None:
        """Give the candidate its weight."""
        read = self.router.read(self.model)
        change = RouteChange(model=self.model, attempt=self.attempt, read_version=read.version, weight=WEIGHT)
        self.router.change(change)

    def verdict(self) -> Verdict | None:
        """The attempt's end; None while there is none."""
        stone = self.router.tombstone(self.model, self.attempt)
        return Verdict(stone.at_seconds, stone.reason) if stone else None


@dataclass
class _Argo:
    """Argo Rollouts' arm."""

    host: str
    candidate: str
    site: Site
    space: str

    def give(self) -> None:
        """Promote the Rollout past its pause, as its command does."""
        path = f"/apis/argoproj.io/v1alpha1/namespaces/{self.space}/rollouts/model/status"
        body = {"status": {"pauseConditions": None}}
        self.site.writer.call("PATCH", path, body=body, content=_MERGE)

    def verdict(self) -> Verdict | None:
        """The first moment at which the analysis is seen to have failed: its own times are whole seconds."""
        path = f"/apis/argoproj.io/v1alpha1/namespaces/{self.space}/analysisruns"
        for each in self.site.writer.call("GET", path)["items"]:
            status = each.get("status", {})
            if status.get("phase") in {"Failed", "Error"}:
                return Verdict(time.time(), f"{status['phase']}: {_measurements(status)}")
        return None


def _measurements(status: Object) -> str:
    """What an analysis measured, and when."""
    taken = [each for result in status.get("metricResults", []) for each in result.get("measurements", [])]
    return ", ".join(f"{each['finishedAt']} {each.get('value', each.get('message'))}" for each in taken)


@contextlib.contextmanager
def turnout(site: Site, space: str, failing: int) -> Iterator[Arm]:
    """Turnout's arm, armed; its sentinel ends with the block."""
    found = [*model(site, space, "legacy"), *model(site, space, "candidate", failing=failing)]
    _apply(site, found)
    legacy, candidate = (
        Backend(name=name, host=f"{name}.{space}.svc.cluster.local", port=80)
        for name in ("legacy", "candidate")
    )
    with guarded(site, space, legacy) as one:
        one.open(site, candidate)
        yield one


@contextlib.contextmanager
def guarded(site: Site, space: str, legacy: Backend) -> Iterator[Guarded]:
    """A model behind Turnout's route, all on legacy, with its sentinel, which ends with the block.

    Args:
        site: The cluster.
        space: The model's name, and the namespace of its servers.
        legacy: It answers `legacy`.
    """
    sentinel = _Outside(str(ipaddress.IPv4Address(site.address) - 1), ports.pick(), ports.pick())
    router = GatewayRouter(
        site.writer,
        Place(gateway.NAMESPACE, gateway.NAME, None, _HOSTNAME),
        sentinel=Backend(name="sentinel", host=sentinel.address, port=sentinel.http),
    )
    one = Guarded(_HOSTNAME.format(model=space), "app=candidate", router, space, sentinel.url)
    site.writer.apply([endpoints(sentinel.address, sentinel.http, sentinel.otlp)])
    with tempfile.TemporaryDirectory() as folder, _running(sentinel, site, Path(folder), space):
        try:
            router.register(Registration(model=space, listen_port=ports.pick(), stable=legacy, policy=POLICY))
            wait(lambda: _says(site, one.host) == "legacy", WITHIN_SECONDS, "legacy answers")
            yield one
        finally:
            _clear(site, space)


@contextlib.contextmanager
def argo(site: Site, space: str, failing: int, analysis: Analysis) -> Iterator[Arm]:
    """Argo Rollouts' arm, its candidate at the pause before its weight."""
    host = f"{space}.argo.example.com"
    rollout = _rollout(site, space, "legacy", failing=0)
    _apply(site, [*_services(space), _route(space, host), _template(site, space, analysis), rollout])
    wait(lambda: _says(site, host) == "legacy", WITHIN_SECONDS, "legacy answers")
    objects.wait(site.writer, rollout, _stable)  # before that, another template is no canary
    site.writer.apply([_rollout(site, space, "candidate", failing=failing)])
    objects.wait(site.writer, rollout, _paused)
    time.sleep(_SETTLE_SECONDS)
    yield _Argo(host, "arm=candidate", site, space)


def _apply(site: Site, found: list[Object]) -> None:
    site.writer.apply(found)
    for each in found:
        if each["kind"] == "Deployment":
            objects.wait(site.writer, each, objects.available)


def _says(site: Site, host: str) -> str:
    return httpx.get(f"http://{site.plane.gateway}", headers={"host": host}).text


def _asked(site: Site, host: str) -> bool:
    return bool(_says(site, host))


# --- Turnout -----------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _running(sentinel: _Outside, site: Site, folder: Path, space: str) -> Iterator[None]:
    """The sentinel, with the model's contract, whose bounds are those of one that names none."""
    (folder / "contracts").mkdir()
    contract = {"model": space, "wire": "v1", "inputs": [], "outputs": [], "policy": POLICY.model_dump()}
    contract["same_answer"] = {"kind": "regression", "absolute_tolerance": 1e-6}
    (folder / "contracts" / f"{space}.yaml").write_text(yaml.safe_dump(contract))
    place = Gateway(
        namespace=gateway.NAMESPACE, name=gateway.NAME, hostname=_HOSTNAME,
        sentinel=f"{sentinel.address}:{sentinel.http}",
    )  # fmt: skip
    settings = Settings(
        state=folder, manifests=folder, contracts=folder / "contracts", pools=folder / "pools",
        owners=folder / "owners", kubeconfig=site.plane.kubeconfig, gateway=place,
        sentinel=sentinel.url,
    )  # fmt: skip
    settings.write(folder / "turnout.yaml")
    command = [sys.executable, "-m", "turnout.services.sentinel", "--host", sentinel.address]
    command += ["--port", str(sentinel.http), "--otlp-port", str(sentinel.otlp)]
    with (folder / "log").open("wb") as log, subprocess.Popen(
        command, cwd=project_root(), stdout=log, stderr=log,
        env={**os.environ, VARIABLE: str(folder / "turnout.yaml")},
    ) as process:  # fmt: skip
        try:
            yield
        finally:
            process.terminate()


def _armed(url: str) -> bool:
    try:
        return bool(httpx.get(url, timeout=2).json().get("armed"))
    except httpx.HTTPError:
        return False


def _clear(site: Site, space: str) -> None:
    """Take away what lies in the Gateway's namespace and would go on working."""
    for version, kind, name in (
        ("gateway.networking.k8s.io/v1", "HTTPRoute", space),
        ("gateway.envoyproxy.io/v1alpha1", "EnvoyPatchPolicy", f"{space}-door"),
    ):
        meta = {"name": name, "namespace": gateway.NAMESPACE}
        site.writer.delete({"apiVersion": version, "kind": kind, "metadata": meta})


# --- Argo Rollouts -----------------------------------------------------------------------------------------


def _services(space: str) -> list[Object]:
    """The two Services that a Rollout leads to its stable and its canary pods."""
    return [
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": name, "namespace": space},
            "spec": {"selector": {"app": "model"}, "ports": [{"port": 80, "targetPort": 8080}]},
        }
        for name in ("stable", "canary")
    ]


def _route(space: str, host: str) -> Object:
    """The HTTPRoute that the plugin moves.

    Envoy Gateway counts a rule's backends apart only where they have filters of their own.
    """

    def backend(name: str) -> Object:
        header = {"set": [{"name": "x-backend", "value": name}]}
        filters = [{"type": "RequestHeaderModifier", "requestHeaderModifier": header}]
        return {"name": name, "port": 80, "filters": filters}

    parent = {"namespace": gateway.NAMESPACE, "name": gateway.NAME}
    rule = {"backendRefs": [backend("stable"), backend("canary")]}
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": "model", "namespace": space},
        "spec": {"parentRefs": [parent], "hostnames": [host], "rules": [rule]},
    }


def _template(site: Site, space: str, analysis: Analysis) -> Object:
    """The documentation's success rate of 95 %, of what the proxy counts of the canary's Service.

    Its query in the form that also has an answer when nothing or everything fails.
    """
    cluster = f'envoy_cluster_name="httproute/{space}/model/rule/0/backend/1"'
    failed = f'envoy_cluster_upstream_rq_xx{{{cluster},envoy_response_code_class="5"}}[{analysis.window}]'
    all_of_them = f"envoy_cluster_upstream_rq_completed{{{cluster}}}[{analysis.window}]"
    rate = analysis.function
    query = f"1 - (sum({rate}({failed})) or vector(0)) / sum({rate}({all_of_them}))"
    metric = {
        "name": "success-rate",
        "interval": analysis.interval,
        "initialDelay": analysis.delay,
        "failureLimit": analysis.failure_limit,
        "successCondition": "isNaN(result[0]) || result[0] >= 0.95",
        "provider": {"prometheus": {"address": site.prometheus, "query": query}},
    }
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "AnalysisTemplate",
        "metadata": {"name": "success-rate", "namespace": space},
        "spec": {"metrics": [metric]},
    }


def _rollout(site: Site, space: str, text: str, *, failing: int) -> Object:
    """A Rollout whose pods answer with a text; its canary is ready before it gets its weight."""
    deployment, _ = model(site, space, text, failing=failing)
    template = deployment["spec"]["template"]
    template["metadata"]["labels"] = {"app": "model", "arm": text}
    canary = {
        "stableService": "stable",
        "canaryService": "canary",
        "trafficRouting": {"plugins": {PLUGIN: {"httpRoute": "model", "namespace": space}}},
        "analysis": {"templates": [{"templateName": "success-rate"}], "startingStep": 2},
        "steps": [
            {"setCanaryScale": {"replicas": 1}},
            {"pause": {}},
            {"setWeight": round(100 * WEIGHT)},
            {"pause": {}},
        ],
    }
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Rollout",
        "metadata": {"name": "model", "namespace": space},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": {"app": "model"}},
            "template": template,
            "strategy": {"canary": canary},
        },
    }


def _stable(rollout: Object) -> bool:
    """Whether what a Rollout runs is what it would go back to."""
    status = rollout.get("status", {})
    return bool(status.get("stableRS")) and status["stableRS"] == status.get("currentPodHash")


def _paused(rollout: Object) -> bool:
    """Whether the canary is ready, and waits for its weight."""
    status = rollout.get("status", {})
    return bool(
        status.get("observedGeneration") == str(rollout["metadata"]["generation"])
        and status.get("currentStepIndex") == 1
        and status.get("pauseConditions")
        and status.get("updatedReplicas") == 1
        and status.get("availableReplicas") == 2  # the stable pod, too
    )
