"""`turnout route` on a real API server: what KServe publishes becomes a route, and it goes without a trace.

No controller runs beside it, so the test writes what KServe and Envoy Gateway would into the objects' status.
"""

import itertools
import json
import os
import threading

import pytest
import yaml
from click.testing import CliRunner

from runtimes.kserve import KServe
from tests.waiting import until
from turnout.cli.route import command
from turnout.domain.errors import (
    InvalidInputError,
    NotFoundError,
    RefusedError,
    TemporaryError,
    UnreachableError,
    UnsupportedError,
)
from turnout.domain.route import Backend, Opening, Registration
from turnout.fabric.gateway_api import deciding
from turnout.fabric.gateway_api.front import PORTS, Front
from turnout.fabric.gateway_api.place import Place
from turnout.fabric.gateway_api.reports import Unattended
from turnout.fabric.gateway_api.router import GatewayRouter
from turnout.fabric.gateway_api.routes import Routes
from turnout.fabric.kubernetes.inference_services import InferenceServices

ROUTES = "fronted"
PLACE = Place(ROUTES, "front", "http", "{model}.new.example.com")
SENTINEL = Backend(name="sentinel", host="10.0.0.7", port=8000)
_NUMBERS = itertools.count(1)
GATEWAY = {
    "apiVersion": "gateway.networking.k8s.io/v1",
    "kind": "Gateway",
    "metadata": {"name": "front", "namespace": ROUTES},
    "spec": {
        "gatewayClassName": "none",
        "listeners": [{"name": "http", "port": 80, "protocol": "HTTP"}],
    },
}


def page(model, count):
    """What one proxy tells of a model, with two names of it: a virtual host each."""
    labels = f'envoy_route="turnout/{ROUTES}/{model}"'
    return "\n".join(
        f'envoy_vhost_route_upstream_rq_completed{{{labels},envoy_virtual_host="{host}"}} {part}'
        for host, part in (("new", count // 2), ("old", count - count // 2))
    )


class Pages:
    """Proxies whose counts the test sets."""

    def __init__(self):
        """One proxy that has answered nothing."""
        self.told = {"proxy": ""}

    def look(self, _statistics):
        """What they tell."""
        return self.told


@pytest.fixture(scope="session")
def gateway(applier):
    """A Gateway with an address, as its controller would write it."""
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": ROUTES}}
    made = applier.apply([space, GATEWAY])[-1]
    addresses = [{"type": "IPAddress", "value": "192.0.2.7"}]
    applier.call("PUT", f"{applier.path(GATEWAY)}/status", {}, {**made, "status": {"addresses": addresses}})
    return GATEWAY


@pytest.fixture
def model(applier, namespace, gateway):
    """An InferenceService that KServe calls ready, and its Service; no other test's has its name."""
    assert gateway
    name = f"iris{next(_NUMBERS)}-{os.getpid()}"
    publish(applier, namespace, name)
    return name


def publish(applier, namespace, name, *, ready="True", spec=None, **service):
    """Make an InferenceService with the status that KServe gives it, and the Service that it leads to."""
    model = {"modelFormat": {"name": "sklearn"}, "storageUri": "pvc://models/iris"}
    item = {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"predictor": {"model": model}, **(spec or {})},
    }
    [made] = applier.apply([item])
    status = {
        "url": f"http://{name}-{namespace}.example.com",
        "address": {"url": f"http://{name}-predictor.{namespace}.svc.cluster.local"},
        "conditions": [{"type": "Ready", "status": ready, "reason": "Test"}],
        "deploymentMode": "Standard",
    }
    applier.call("PUT", f"{applier.path(item)}/status", {}, {**made, "status": status})
    port = {"name": "http1", "port": 80, "targetPort": 8080}
    meta = {"name": f"{name}-predictor", "namespace": namespace}
    spec = {"selector": {"app": name}, "ports": [port], **service}
    applier.apply([{"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": spec}])


@pytest.fixture
def settings(control_plane, model, tmp_path, monkeypatch):
    """Settings that name the Gateway, and a contract of the model's owner."""
    contracts = tmp_path / "contracts"
    contracts.mkdir()
    contract = {"model": model, "wire": "v1", "inputs": [], "outputs": [], "policy": {"request_seconds": 7}}
    contract["same_answer"] = {"kind": "labels"}
    (contracts / f"{model}.yaml").write_text(yaml.safe_dump(contract))
    file = tmp_path / "turnout.yaml"
    written = {
        "state": str(tmp_path), "manifests": str(tmp_path), "estate": "cluster",
        "kubeconfig": str(control_plane.kubeconfig), "contracts": str(contracts),
        "pools": "p", "owners": "o",
        "gateway": {
            "namespace": ROUTES, "name": PLACE.gateway, "listener": PLACE.listener,
            "hostname": PLACE.hostname, "sentinel": "10.0.0.7:8000",
        },
    }  # fmt: skip
    monkeypatch.setenv("TURNOUT_SETTINGS", str(file))

    def write(**changed):
        file.write_text(yaml.safe_dump({k: v for k, v in (written | changed).items() if v is not None}))

    write()
    return write


@pytest.fixture
def unattended(monkeypatch):
    """No controller reports what is written: it counts as taken when it is stored."""
    for module in ("router", "front"):
        monkeypatch.setattr(f"turnout.fabric.gateway_api.{module}.Conditions", lambda _: Unattended())


def call(*arguments):
    """Call `turnout route` with errors as they are; returns what it says."""
    done = CliRunner().invoke(command, arguments, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


@pytest.fixture
def front(applier):
    """The models' routes, counts in the test's hand."""
    pages = Pages()
    made = Front(applier, PLACE, reports=Unattended(), proxies=pages)
    return made, pages


@pytest.fixture
def router(applier):
    """The router of the same place."""
    return GatewayRouter(applier, PLACE, sentinel=SENTINEL, reports=Unattended())


def stored(applier, model):
    """Kind and name of everything that belongs to a model's route."""
    kinds = {
        "gateway.networking.k8s.io/v1": ("httproutes",),
        "gateway.envoyproxy.io/v1alpha1": (
            "backends", "backendtrafficpolicies", "envoypatchpolicies", "envoyextensionpolicies",
        ),
    }  # fmt: skip
    query = {"labelSelector": f"turnout.dev/model={model}"}
    return {
        (plural, item["metadata"]["name"]): item
        for version, plurals in kinds.items()
        for plural in plurals
        for item in applier.call("GET", f"/apis/{version}/namespaces/{ROUTES}/{plural}", query)["items"]
    }


@pytest.mark.usefixtures("settings", "unattended")
def test_register_show_remove(applier, namespace, model):
    """Policy, address, both hosts and a port of its own are in the route; then nothing is left of it."""
    planned = list(yaml.safe_load_all(call("register", model, "--dry-run")))
    assert stored(applier, model) == {}
    said = call("register", model)
    host = f"{model}-{namespace}.example.com"
    assert host in said
    assert "192.0.2.7" in said
    found = stored(applier, model)
    assert {name for _, name in found} == {each["metadata"]["name"] for each in planned}
    route = found["httproutes", model]
    assert route["spec"]["hostnames"] == [f"{model}.new.example.com", host]
    assert route["spec"] == {
        **route["spec"],
        **{k: v for k, v in planned[-1]["spec"].items() if k != "rules"},
    }
    [endpoint] = found["backends", f"{model}-legacy"]["spec"]["endpoints"]
    assert endpoint["fqdn"] == {"hostname": f"{model}-predictor.{namespace}.svc.cluster.local", "port": 80}
    policy = found["backendtrafficpolicies", f"{model}-legacy"]
    assert policy["spec"]["timeout"]["http"]["requestTimeout"] == "7s"

    [shown] = json.loads(call("show", model, "-o", "json"))["routes"]
    assert (shown["weight"], shown["attempt"], shown["lacking"]) == (0.0, None, None)
    assert shown["answered"] is None  # no proxy runs: unknown, not none
    assert shown["listen_port"] in PORTS
    assert host in call("show")

    call("remove", model, "--yes")
    assert stored(applier, model) == {}
    with pytest.raises(NotFoundError, match="turnout route register"):
        call("remove", model, "--yes")


@pytest.mark.usefixtures("settings", "unattended")
def test_registering_again_changes_nothing_and_takes_no_name_away(applier, model):
    """The same object version and port; a further name that was once given stays."""
    call("register", model, "--hostname", "further.example.com")
    before = stored(applier, model)
    call("register", model)
    call("register", model, "--no-legacy-host")
    assert stored(applier, model) == before
    assert "further.example.com" in before["httproutes", model]["spec"]["hostnames"]
    assert [each["kind"] for each in yaml.safe_load_all(call("register", model, "--dry-run"))][
        -1
    ] != "HTTPRoute"
    call("remove", model, "--yes")


@pytest.mark.usefixtures("settings", "unattended")
def test_nothing_of_legacy_is_touched(applier, namespace, model):
    """Its InferenceService and Service keep their versions, forward and back."""
    items = [
        f"/apis/serving.kserve.io/v1beta1/namespaces/{namespace}/inferenceservices/{model}",
        f"/api/v1/namespaces/{namespace}/services/{model}-predictor",
    ]
    before = [applier.call("GET", path) for path in items]
    call("register", model)
    call("remove", model, "--yes")
    assert [applier.call("GET", path) for path in items] == before


@pytest.mark.usefixtures("settings", "unattended")
def test_each_model_has_a_door_of_its_own(applier, namespace, model, front, router):
    """A port that is free, and the same one the next time; of two made at once, one gives way."""
    made, _ = front
    other = f"{model}-other"
    call("register", model)
    first = made.listen_port(model)
    second = made.listen_port(other)
    assert first != second
    stable = Backend(name=f"{other}-legacy", host=f"other.{namespace}.svc", port=80)
    router.register(Registration(model=other, listen_port=second, stable=stable))
    assert (made.listen_port(model), made.listen_port(other)) == (first, second)
    twin = f"{model}-twin"
    at_once = Registration(model=twin, listen_port=first, stable=stable)
    Routes(applier, PLACE).make(deciding.found(PLACE, at_once))
    assert made.listen_port(twin) not in (first, second)
    for each in (twin, model, other):
        made.remove(each)
    assert stored(applier, other) == {}


@pytest.mark.usefixtures("settings", "unattended")
def test_another_model_that_comes_at_the_same_time_is_given_way_to(applier, model, front, monkeypatch):
    """Both had looked before either wrote: the one that looks again has the port of the other no more."""
    made, _ = front
    real, twin = GatewayRouter.register, f"{model}-twin"

    def meanwhile(router, registration):
        route = real(router, registration)
        if not asked:
            same = registration.model_copy(update={"model": twin, "hostnames": ("twin.example.com",)})
            Routes(applier, PLACE).make(deciding.found(PLACE, same))
        asked.append(registration.listen_port)
        return route

    asked = []
    monkeypatch.setattr(GatewayRouter, "register", meanwhile)
    call("register", model)
    assert len(asked) == 2
    assert [one.listen_port for name in (model, twin) for one in made.show(name)] == asked[::-1]
    for each in (twin, model):
        made.remove(each)


@pytest.mark.usefixtures("unattended")
def test_a_host_that_kserves_route_has_on_the_same_gateway_is_refused(applier, namespace, model, settings):
    """It says whose; without the legacy host the route is made."""
    settings()
    host = f"{model}-{namespace}.example.com"
    theirs = {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": model, "namespace": namespace},
        "spec": {"parentRefs": [{"name": PLACE.gateway, "namespace": ROUTES}], "hostnames": [host]},
    }
    applier.apply([theirs])
    for arguments in ((), ("--dry-run",)):
        with pytest.raises(RefusedError, match=f"{namespace}/{model}") as refused:
            call("register", model, *arguments)
        assert refused.value.subject == f"hostname {host}"
    assert stored(applier, model) == {}
    call("register", model, "--no-legacy-host")
    assert stored(applier, model)["httproutes", model]["spec"]["hostnames"] == [f"{model}.new.example.com"]
    call("remove", model, "--yes")


def test_what_is_missing_is_said(applier, namespace, model, settings, tmp_path):
    """No Gateway, no such model, no contract, a model that is not ready, one of two namespaces."""
    settings(gateway=None)
    for arguments in (("register", model), ("show",), ("remove", model)):
        with pytest.raises(RefusedError, match="no `gateway`"):
            call(*arguments)
    settings()
    with pytest.raises(NotFoundError, match="contract"):
        call("register", "unknown")
    contract = (tmp_path / "contracts" / f"{model}.yaml").read_text()
    (tmp_path / "contracts" / "unknown.yaml").write_text(contract.replace(model, "unknown"))
    with pytest.raises(NotFoundError, match="InferenceService unknown"):
        call("register", "unknown")
    publish(applier, namespace, model, ready="False")
    with pytest.raises(TemporaryError, match="not ready: Test"):
        call("register", model)
    publish(applier, namespace, model, spec={"explainer": {"containers": [{"name": "e", "image": "e"}]}})
    with pytest.raises(UnsupportedError, match="explainer"):
        call("register", model)
    publish(applier, ROUTES, model)
    with pytest.raises(RefusedError, match=f"{ROUTES}/{model}"):
        call("register", model)
    assert stored(applier, model) == {}


@pytest.mark.usefixtures("unattended")
def test_the_setting_wins_over_the_cluster(applier, model, settings):
    """It may lead to KServe's ingress, but never to a name that clients call: that would be a circle."""
    settings(legacy={model: "ingress.istio-system.svc:8080"})
    call("register", model)
    [endpoint] = stored(applier, model)["backends", f"{model}-legacy"]["spec"]["endpoints"]
    assert endpoint["fqdn"] == {"hostname": "ingress.istio-system.svc", "port": 8080}
    settings(legacy={model: f"{model}.new.example.com:80"})
    with pytest.raises(RefusedError, match="circle"):
        call("register", model)
    call("remove", model, "--yes")


def test_baseline_finds_legacy_in_the_cluster(applier, namespace, model):
    """A headless Service at its pods' port; what is not there is not found."""
    services = InferenceServices(applier, (namespace,))
    at = KServe({}, services).endpoint(model)
    assert (at.host, at.port) == (f"{model}-predictor.{namespace}.svc.cluster.local", 80)
    headless = f"{model}-headless"
    publish(applier, namespace, headless, clusterIP="None")
    assert KServe({}, services).endpoint(headless).port == 8080
    with pytest.raises(NotFoundError, match="none in namespaces"):
        services.find(f"{model}-gone")


@pytest.mark.usefixtures("settings", "unattended")
def test_a_route_with_a_candidate_stays(applier, model, router):
    """Refused while an attempt is live; after its end everything goes, its door and policies included."""
    call("register", model)
    attempt = f"{model}-1"
    candidate = Backend(name=attempt, host="candidate.models.svc", port=80)
    router.open(Opening(model=model, attempt=attempt, candidate=candidate))
    with pytest.raises(RefusedError, match=f"turnout rollback {model}"):
        call("remove", model, "--yes")
    assert ("envoypatchpolicies", f"{model}-door") in stored(applier, model)
    router.roll_back(model, attempt, reason="x", by="x")
    call("remove", model, "--yes")
    assert stored(applier, model) == {}


@pytest.mark.usefixtures("settings", "unattended")
def test_where_legacy_is_retired_the_route_is_all_there_is(model, router):
    """Neither removed nor led to a legacy that does not run."""
    call("register", model)
    known = router.read(model)
    successor = Backend(name=f"{model}-1", host="candidate.models.svc", port=80)
    router.register(Registration(model=model, listen_port=known.listen_port, stable=successor))
    for arguments in (("register", model), ("remove", model, "--yes")):
        with pytest.raises(RefusedError, match="restore"):
            call(*arguments)
    router.register(Registration(model=model, listen_port=known.listen_port, stable=known.stable))
    call("remove", model, "--yes")


@pytest.mark.usefixtures("unattended")
def test_a_route_that_is_still_called_stays(applier, model, settings, monkeypatch, front):
    """By the proxies' own counts, over both names; silence of the proxies is no quiet."""
    settings()
    made, pages = front
    monkeypatch.setattr("turnout.wiring.guarding.front", lambda _: made)
    call("register", model)
    pages.told["proxy"] = page(model, 10)
    came = threading.Timer(0.3, lambda: pages.told.update(proxy=page(model, 13)))
    came.start()
    with pytest.raises(RefusedError, match="3 requests in 1 s"):
        call("remove", model, "--quiet", "1")
    came.join()
    assert stored(applier, model)
    assert json.loads(call("show", model, "-o", "json"))["routes"][0]["answered"] == 13
    call("remove", model, "--quiet", "1")
    assert stored(applier, model) == {}


@pytest.mark.usefixtures("settings", "unattended")
def test_without_proxies_nobody_can_say_that_it_is_quiet(model):
    """An error, and the route stays; --yes is the user's own word."""
    call("register", model)
    with pytest.raises(UnreachableError, match="no pod"):
        call("remove", model, "--quiet", "0")
    call("remove", model, "--yes")


def test_a_route_of_somebody_elses_is_not_removed(applier, model, front):
    """What has the model's name and is not ours is an error, and nothing is deleted."""
    theirs = {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": model, "namespace": ROUTES},
        "spec": {"parentRefs": [PLACE.parent()]},
    }
    applier.apply([theirs])
    with pytest.raises(InvalidInputError, match="not readable"):
        front[0].remove(model)
    assert applier.call("GET", applier.path(theirs))["metadata"]["name"] == model
    applier.delete(theirs)


def test_writes_in_between_do_not_stop_a_removal(applier, model, front, router):
    """A controller writes the status all the while; the route that was found fit is the one that goes."""
    made, _ = front
    stable = Backend(name=f"{model}-legacy", host="legacy.models.svc", port=80)
    router.register(Registration(model=model, listen_port=made.listen_port(model), stable=stable))
    path = f"/apis/gateway.networking.k8s.io/v1/namespaces/{ROUTES}/httproutes/{model}"
    over, writes = threading.Event(), []

    def write():
        while not over.is_set():
            note = {"metadata": {"annotations": {"other": str(len(writes))}}}
            applier.call("PATCH", path, {}, note, content="application/merge-patch+json")
            writes.append(1)

    def written():
        try:
            write()
        except NotFoundError:
            return

    other = threading.Thread(target=written)
    other.start()
    until(lambda: len(writes) > 3, "somebody writes")
    made.remove(model)
    over.set()
    other.join()
    assert stored(applier, model) == {}
