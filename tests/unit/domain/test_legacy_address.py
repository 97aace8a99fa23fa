"""Where legacy answers, by what KServe 0.16 to 0.20 publish in the status and by the Service that it made."""

import pytest

from turnout.domain import legacy_address
from turnout.domain.errors import TemporaryError, UnsupportedError


def inference_service(address="http://iris-predictor.models.svc.cluster.local", **changed):
    """An InferenceService as KServe's controller leaves it in Standard mode."""
    status = {
        "url": "http://iris-models.example.com",
        "address": {"url": address},
        "conditions": [{"type": "Ready", "status": "True"}],
    }
    meta = {"name": "iris", "namespace": "models"}
    return {"metadata": meta, "spec": {"predictor": {}}, "status": status} | changed


def service(*ports, **spec):
    """A Service with an address, unless it is said otherwise."""
    ports = ports or ({"name": "iris-predictor", "port": 80, "targetPort": 8080},)
    return {
        "metadata": {"name": "iris-predictor"},
        "spec": {"clusterIP": "10.0.0.9", "ports": list(ports), **spec},
    }


def where(found, there):
    """Host and port."""
    at = legacy_address.address(found, there)
    return at.host, at.port


def test_the_service_of_the_status_is_called_at_its_own_port():
    """The transformer's where there is one, which is what KServe publishes; the backend has legacy's name."""
    found = inference_service("http://iris-transformer.models.svc.cluster.local")
    assert legacy_address.service_of(found) == ("models", "iris-transformer")
    assert where(found, service()) == ("iris-transformer.models.svc.cluster.local", 80)
    assert legacy_address.address(found, service()).name == "iris-legacy"


def test_a_headless_service_is_called_at_the_pods_port():
    """Nothing translates its port: its name leads to the pods themselves. KServe says 8080 always."""
    assert where(inference_service(), service(clusterIP="None"))[1] == 8080
    found = inference_service("http://iris-predictor.models.svc.cluster.local:8080")
    own = {"name": "http1", "port": 80, "targetPort": 9001}
    assert where(found, service(own, clusterIP="None"))[1] == 9001


def test_a_port_that_is_published_is_taken():
    """ModelMesh has one of its own in the address."""
    found = inference_service("http://modelmesh-serving.models:8008")
    assert legacy_address.service_of(found) == ("models", "modelmesh-serving")
    assert where(found, service()) == ("modelmesh-serving.models", 8008)


@pytest.mark.parametrize("named", [{"name": "grpc-port"}, {"name": "p", "appProtocol": "kubernetes.io/h2c"}])
def test_a_port_of_grpc_is_left_out(named):
    """The first one that takes HTTP/1.1."""
    grpc = {"port": 80, "targetPort": 9000, **named}
    assert where(inference_service(), service(grpc, {"name": "http", "port": 8080}))[1] == 8080
    with pytest.raises(UnsupportedError, match=r"no port of HTTP/1\.1"):
        where(inference_service(), service(grpc))


def test_the_scheme_of_the_ingress_is_no_port():
    """KServe writes `https` into inner addresses, too, when its ingress has TLS; inside it is HTTP at 80."""
    assert where(inference_service("https://iris-predictor.models.svc.cluster.local"), service())[1] == 80


@pytest.mark.parametrize(
    ("address", "spec", "why"),
    [
        ("http://iris.models.svc.cluster.local", {"type": "ExternalName"}, "Knative"),
        ("grpc://modelmesh-serving.models:8033", {}, "HTTP"),
        ("http://iris-predictor.models.svc.cluster.local", {"clusterIP": "None", "ports": [
            {"port": 80, "targetPort": "http"}]}, "the name http"),
    ],
)  # fmt: skip
def test_what_an_address_alone_does_not_reach_needs_the_setting(address, spec, why):
    """It says so, and names the setting."""
    with pytest.raises(UnsupportedError, match=why) as refused:
        where(inference_service(address), service(**spec))
    assert "legacy: {MODEL: host:port}" in refused.value.remedy


def test_an_address_outside_is_no_service():
    """One label is no Service of a namespace."""
    with pytest.raises(UnsupportedError, match="Service"):
        legacy_address.service_of(inference_service("http://localhost"))


@pytest.mark.parametrize("status", [None, {}, {"address": None}, {"address": {}}])
def test_without_an_address_it_is_to_be_tried_again(status):
    """KServe publishes it when the model is there."""
    with pytest.raises(TemporaryError, match=r"status\.address"):
        legacy_address.service_of(inference_service(status=status))


def test_the_ingress_host_is_what_clients_call():
    """What is known inside alone is none."""
    assert legacy_address.ingress_host(inference_service()) == "iris-models.example.com"
    inside = {"url": "http://iris.models.svc.cluster.local"}
    assert legacy_address.ingress_host(inference_service(status=inside)) is None
    assert legacy_address.ingress_host(inference_service(status={})) is None


@pytest.mark.parametrize(
    ("conditions", "why"),
    [
        ([{"type": "Ready", "status": "False", "message": "no pod"}], "no pod"),
        ([{"type": "Ready", "status": "Unknown", "reason": "Waiting"}], "Waiting"),
        ([{"type": "PredictorReady", "status": "True"}], "no word"),
        (None, "no word"),
    ],
)
def test_a_model_that_is_not_ready_gets_no_route(conditions, why):
    """Only `Ready` counts, and silence is not ready."""
    with pytest.raises(TemporaryError, match=why):
        legacy_address.require_ready(inference_service(status={"conditions": conditions}))
    legacy_address.require_ready(inference_service())


def test_an_explainer_answers_under_the_same_host():
    """One address would lose `:explain`."""
    with pytest.raises(UnsupportedError, match="explainer"):
        legacy_address.require_one_address(
            inference_service(spec={"predictor": {}, "explainer": {"art": {}}})
        )
    legacy_address.require_one_address(inference_service())
