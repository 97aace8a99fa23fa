"""The router contract on a real API server: HTTPRoutes keep what files and memory keep.

No controller runs beside it, so a write is done when it is stored; what the proxies make of it is shown where
there are proxies.
"""

import itertools
import os
import subprocess
import sys
import time

import pytest
import yaml

from tests.contract.router.conftest import Model
from tests.contract.router.test_router import *  # noqa: F403 -- the contract: every one of its tests runs here
from tests.contract.router.test_router import raise_to
from turnout.domain.errors import InvalidInputError, RefusedError, TemporaryError, UnreachableError
from turnout.domain.route import Backend, Registration, Tombstone
from turnout.fabric.gateway_api import deciding, record, rules
from turnout.fabric.gateway_api.place import Place
from turnout.fabric.gateway_api.reports import Unattended
from turnout.fabric.gateway_api.router import GatewayRouter
from turnout.fabric.gateway_api.routes import Routes
from turnout.fabric.kubernetes.apply import Applier

SENTINEL = Backend(name="sentinel", host="10.0.0.7", port=8000)
_NUMBERS = itertools.count(1)


class Counted:
    """Proxies that count nothing: none runs here."""

    def active(self, _attempt: str) -> int:
        """No requests."""
        return 0


@pytest.fixture(scope="session")
def place(applier):
    """A namespace for all routes; no test's model has another one's name."""
    applier.apply([{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "routes"}}])
    return Place("routes", "front", "http", "{model}.example.com")


@pytest.fixture
def router(control_plane, place):
    """A router of this test's own."""
    with Applier(control_plane.kubeconfig) as api:
        yield GatewayRouter(api, place, sentinel=SENTINEL, reports=Unattended(), proxies=Counted())


@pytest.fixture
def model():
    """A model that no other test uses, its legacy servers behind a Service's name; nobody listens."""
    number = next(_NUMBERS)
    name = f"iris{number}-{os.getpid()}"
    stable = Backend(name=f"{name}-legacy", host=f"{name}.models.svc", port=80)
    return Model(name, Registration(model=name, listen_port=20_000 + number, stable=stable))


@pytest.fixture
def routes(applier, place):
    """The HTTPRoutes as the API server has them."""
    return Routes(applier, place)


def shares(route):
    """Weights of a route's Backends, by rule and name."""
    return {
        rule["name"]: {ref["name"]: ref["weight"] for ref in rule["backendRefs"]}
        for rule in route["spec"]["rules"]
    }


def test_the_httproute_is_the_truth(router, routes, model):
    """A weight is in the route's own Backends, with legacy again behind both; legacy's rule stands always."""
    name = model.name
    router.register(model.registration)
    assert shares(routes.read(name)) == {"legacy": {f"{name}-legacy": 1_000_000}}
    raise_to(router, router.open(model.opening()), 0.3)
    assert shares(routes.read(name)) == {
        "legacy": {f"{name}-legacy": 1_000_000},
        "shielded": {f"{name}-legacy": 700_000, f"{name}-door": 300_000, f"{name}-fallback": 1},
    }
    router.roll_back(name, f"{name}-1", reason="x", by="x")
    assert shares(routes.read(name)) == {
        "legacy": {f"{name}-legacy": 1_000_000},
        "shielded": {f"{name}-legacy": 1_000_000, f"{name}-fallback": 1},
    }
    assert routes.models().count(name) == 1


def test_registering_again_writes_nothing(router, routes, model):
    """What is alike is not written: the object keeps its version, and no controller is woken."""
    router.register(model.registration)
    raise_to(router, router.open(model.opening()), 0.3)
    before = routes.read(model.name)
    router.register(model.registration)
    router.open(model.opening())
    assert routes.read(model.name)["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]


def test_a_status_in_between_disturbs_no_change(router, routes, applier, model):
    """Controllers write the status of the same object; a raise decided before that still counts."""
    router.register(model.registration)
    opened = router.open(model.opening())
    route = routes.read(model.name)
    route["status"] = {"parents": []}
    path = applier.path(route)
    applier.call("PUT", f"{path}/status", {}, route)
    assert raise_to(router, opened, 0.2).weight == 0.2


def test_weights_changed_by_hand_are_told_and_no_raise_builds_on_what_was(router, routes, model):
    """`kubectl edit` is seen: the real weight is reported, under a version that no earlier decision names."""
    router.register(model.registration)
    raised = raise_to(router, router.open(model.opening()), 0.2)
    edited = routes.read(model.name)
    refs = {ref["name"]: ref for ref in edited["spec"]["rules"][1]["backendRefs"]}
    refs[f"{model.name}-door"]["weight"] = 900_000
    refs[f"{model.name}-legacy"]["weight"] = 100_000
    routes.replace(edited)
    seen = router.read(model.name)
    assert (seen.weight, seen.attempt) == (0.9, raised.attempt)
    with pytest.raises(RefusedError, match="changed by somebody else"):
        raise_to(router, raised, 0.3)
    assert raise_to(router, seen, 0.3).weight == 0.3
    router.roll_back(model.name, raised.attempt, reason="x", by="x")
    assert router.read(model.name).weight == 0.0


def test_a_rollback_that_was_decided_long_ago_still_holds(router, routes, model):
    """Its patch asks for the attempt alone: raises and lease renewals since then are no hindrance."""
    router.register(model.registration)
    route = router.open(model.opening())
    words = Tombstone(model=model.name, attempt=route.attempt, reason="late", by="x", at_seconds=1.0)
    patch = deciding.ending(routes.read(model.name), words)
    for step in range(1, 6):
        route = raise_to(router, route, step / 10, step_lease_seconds=step)
    routes.patch(model.name, patch)
    now = router.read(model.name)
    assert (now.attempt, now.weight, now.version) == (None, 0.0, "legacy.1")
    assert router.tombstone(model.name, route.attempt) == words


def test_a_patch_of_an_end_hits_no_later_attempt(router, routes, model):
    """The same patch, written by a process that was stopped meanwhile, fails once another one lives."""
    router.register(model.registration)
    first = router.open(model.opening(1))
    words = Tombstone(model=model.name, attempt=first.attempt, reason="late", by="x", at_seconds=1.0)
    stopped = deciding.ending(routes.read(model.name), words)
    made = router.roll_back(model.name, first.attempt, reason="first", by="ana")
    second = raise_to(router, router.open(model.opening(2)), 0.25)
    with pytest.raises(InvalidInputError):
        routes.patch(model.name, stopped)
    assert router.read(model.name) == second
    assert router.tombstone(model.name, first.attempt) == made


def test_the_room_for_reasons_never_runs_out(router, routes, model, monkeypatch):
    """The oldest reasons go; every attempt that is over stays over, and a rollback is never too large."""
    monkeypatch.setattr(deciding, "ROOM_BYTES", 6000)
    router.register(model.registration)
    long = "ü" * 1000
    for number in range(1, 9):
        router.open(model.opening(number))
        router.roll_back(model.name, f"{model.name}-{number}", reason=long, by="x")
    assert record.size(routes.read(model.name)["metadata"]["annotations"]) < 10_000
    for number in range(1, 9):
        assert router.tombstone(model.name, f"{model.name}-{number}") is not None
        with pytest.raises(RefusedError):
            router.open(model.opening(number))
    assert router.tombstone(model.name, f"{model.name}-8").reason == long
    assert "dropped" in router.tombstone(model.name, f"{model.name}-1").reason
    assert router.open(model.opening(9)).attempt == f"{model.name}-9"


def test_legacy_at_an_address_has_a_door_of_the_same_kind(router, applier, place, model):
    """Addresses and names are never mixed: Envoy Gateway would make several clusters of them."""
    stable = Backend(name="x", host="10.1.2.3", port=80)
    router.register(model.registration.model_copy(update={"stable": stable}))
    router.open(model.opening(streaming=True, replayable=False))
    backend = {"apiVersion": "gateway.envoyproxy.io/v1alpha1", "kind": "Backend"}
    meta = {"namespace": place.namespace, "name": rules.door_backend(model.name)}
    found = applier.call("GET", applier.path({**backend, "metadata": meta}))
    assert found["spec"]["endpoints"] == [{"unix": {"path": f"@turnout/{model.name}"}}]


def test_the_sentinel_is_named_by_its_service(control_plane, applier, place, model):
    """Envoy resolves no names for health checks: the Service's own address is written into the door."""
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "sentinel", "namespace": "routes"}}
    [made] = applier.apply([{**service, "spec": {"ports": [{"port": 8000}], "selector": {"app": "x"}}}])
    named = Backend(name="sentinel", host="sentinel.routes.svc", port=8000)
    with Applier(control_plane.kubeconfig) as api:
        router = GatewayRouter(api, place, sentinel=named, reports=Unattended(), proxies=Counted())
        router.register(model.registration)
        router.open(model.opening())
    meta = {"namespace": place.namespace, "name": f"{model.name}-door"}
    policy = {"apiVersion": "gateway.envoyproxy.io/v1alpha1", "kind": "EnvoyPatchPolicy", "metadata": meta}
    patches = applier.call("GET", applier.path(policy))["spec"]["jsonPatches"]
    [cluster] = [one["operation"]["value"] for one in patches if one["type"].endswith("Cluster")]
    [endpoint] = cluster["load_assignment"]["endpoints"][0]["lb_endpoints"]
    checked_at = endpoint["endpoint"]["health_check_config"]["address"]["socket_address"]
    assert checked_at == {"address": made["spec"]["clusterIP"], "port_value": 8000}


def test_a_route_of_somebody_elses_is_left_alone(router, routes, applier, place, model):
    """An HTTPRoute that has a model's name and is not ours is an error, never taken over."""
    theirs = {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": model.name, "namespace": place.namespace},
        "spec": {"parentRefs": [place.parent()]},
    }
    applier.apply([theirs])
    with pytest.raises(InvalidInputError, match="not readable as a model's route"):
        router.register(model.registration)
    assert "annotations" not in routes.read(model.name)["metadata"]


def test_two_models_never_share_a_door(router, model):
    """The port of a model's door is its own: another one's candidate would answer there."""
    router.register(model.registration)
    other = model.registration.model_copy(update={"model": f"x{model.name}"})
    with pytest.raises(RefusedError, match="listen_port"):
        router.register(other)


def test_without_proxies_nobody_can_say_what_is_under_way(control_plane, place, model):
    """No proxy that counts is an error, never "none"."""
    with Applier(control_plane.kubeconfig) as api:
        router = GatewayRouter(api, place, sentinel=SENTINEL, reports=Unattended())
        router.register(model.registration)
        with pytest.raises(UnreachableError, match="no pod"):
            router.under_way(model.name, f"{model.name}-1")


def test_an_unreported_change_is_no_success(control_plane, place, model, monkeypatch):
    """With no controller a raise fails in time and says what is awaited; the way back still works."""
    monkeypatch.setattr("turnout.fabric.gateway_api.router._REPORT_SECONDS", 0.3)
    monkeypatch.setattr("turnout.fabric.gateway_api.router._ROLLBACK_REPORT_SECONDS", 0.3)
    with Applier(control_plane.kubeconfig) as api:
        silent = GatewayRouter(api, place, sentinel=SENTINEL)
        trusting = GatewayRouter(api, place, sentinel=SENTINEL, reports=Unattended())
        trusting.register(model.registration)
        opened = trusting.open(model.opening())
        with pytest.raises(TemporaryError, match="not reported"):
            raise_to(silent, opened, 0.1)
        assert silent.roll_back(model.name, opened.attempt, reason="r", by="b").reason == "r"


def test_the_command_takes_traffic_back(control_plane, router, place, model, tmp_path):
    """`turnout rollback` over a Gateway: nothing else of the settings is needed, and repeating it says so."""
    router.register(model.registration)
    raise_to(router, router.open(model.opening()), 0.5)
    gateway = {
        "namespace": place.namespace,
        "name": place.gateway,
        "hostname": place.hostname,
        "sentinel": "10.0.0.7:8000",
    }
    settings = tmp_path / "turnout.yaml"
    settings.write_text(yaml.safe_dump({"gateway": gateway, "kubeconfig": str(control_plane.kubeconfig)}))
    command = [sys.executable, "-m", "turnout", "rollback", model.name, "--reason", "nonsense", "--by", "ana"]
    said = []
    for _ in range(2):
        began = time.monotonic()
        done = subprocess.run(
            command,
            env={**os.environ, "TURNOUT_SETTINGS": str(settings)},
            capture_output=True,
            text=True,
            check=True,
        )
        said.append(done.stdout)
        print(f"turnout rollback: {time.monotonic() - began:.2f} s")
    assert f"Attempt {model.name}-1 is over, rolled back by ana: nonsense" in said[0]
    assert "legacy has 100%" in said[0]
    assert "no attempt is live" in said[1]
    assert router.read(model.name).attempt is None
