"""The role that is shipped for discovery, with a real API server deciding: reads, and nothing else."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml

from turnout.domain.errors import RefusedError
from turnout.fabric import nodes
from turnout.fabric.kubernetes import estate
from turnout.fabric.kubernetes.api import ClusterApi
from turnout.fabric.kubernetes.apply import Applier

ROLE = Path(__file__).parents[2] / "deployments" / "kubernetes" / "base" / "discovery.yaml"
ACCOUNT = "turnout/turnout-discovery"
VERBS = ("get", "list", "watch", "create", "update", "patch", "delete", "deletecollection")
SPECIAL = {
    "rbac.authorization.k8s.io": ("bind", "escalate"),
    "": ("impersonate", "proxy"),
    "certificates.k8s.io": ("approve", "sign"),
}
"""Verbs that gain power without being among the usual ones."""
EVERYONE = {
    ("authorization.k8s.io", "selfsubjectaccessreviews", "create"),
    ("authorization.k8s.io", "selfsubjectrulesreviews", "create"),
    ("authentication.k8s.io", "selfsubjectreviews", "create"),
}
"""What Kubernetes gives to whoever logs in: asking about oneself."""


@pytest.fixture(scope="module")
def kubeconfig(control_plane, applier):
    """A kubeconfig of the service account that is shipped, with the role that is shipped."""
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "turnout"}}
    shipped = list(yaml.safe_load_all(ROLE.read_text()))
    applier.apply([namespace, *shipped])
    return control_plane.kubeconfig_of(ACCOUNT)


@pytest.fixture(scope="module")
def discovery(kubeconfig):
    """A connection as discovery."""
    with Applier(kubeconfig) as connection:
        yield connection


def granted():
    """What the shipped role grants, as (group, resource, verb)."""
    role = next(each for each in yaml.safe_load_all(ROLE.read_text()) if each["kind"] == "ClusterRole")
    return {
        (group, resource, verb)
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def served(applier):
    """Every resource and subresource that the API server serves, as (group, resource)."""
    versions = ["v1"]
    versions += [v["groupVersion"] for g in applier.call("GET", "/apis")["groups"] for v in g["versions"]]
    for version in versions:
        path = f"/apis/{version}" if "/" in version else f"/api/{version}"
        group = version.rpartition("/")[0]
        yield from ((group, each["name"]) for each in applier.call("GET", path)["resources"])


def allowed(discovery, question):
    """Whether the API server would let discovery do it, in any namespace."""
    group, resource, verb = question
    name, _, sub = resource.partition("/")
    attributes = {"group": group, "resource": name, "subresource": sub, "verb": verb}
    review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
              "spec": {"resourceAttributes": attributes}}  # fmt: skip
    path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    return discovery.call("POST", path, body=review)["status"]["allowed"]


def test_the_role_grants_reads_and_nothing_else(applier, discovery):
    """Of every verb on every resource that the server serves, exactly the role's own reads are allowed."""
    kinds = set(served(applier))
    questions = {(group, resource, verb) for group, resource in kinds for verb in VERBS}
    questions |= {(g, r, verb) for g, r in kinds for verb in SPECIAL.get(g, ())}
    assert len(questions) > 1000
    with ThreadPoolExecutor(4) as pool:
        answers = dict(zip(questions, pool.map(lambda q: allowed(discovery, q), questions), strict=True))
    wanted = {each for each in granted() if each[:2] in kinds}
    assert {verb for _, _, verb in wanted} <= {"get", "list"}
    assert {each for each, yes in answers.items() if yes} == wanted | EVERYONE
    assert not {each for each in granted() if each[1].startswith(("secrets", "pods", "configmaps"))}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/v1/secrets"),
        ("GET", "/api/v1/namespaces/kube-system/secrets/any"),
        ("GET", "/api/v1/namespaces/default/pods"),
        ("POST", "/api/v1/namespaces/default/pods/any/exec"),
        ("POST", "/api/v1/namespaces/turnout/serviceaccounts/turnout-discovery/token"),
        ("DELETE", "/apis/serving.kserve.io/v1beta1/namespaces/default/inferenceservices/any"),
        ("DELETE", "/apis/serving.kserve.io/v1beta1/namespaces/default/inferenceservices"),
        ("DELETE", "/api/v1/nodes/any"),
        ("POST", "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings"),
    ],
)
def test_what_is_not_granted_is_refused_when_it_is_tried(discovery, method, path):
    """Not only by the reviews' word: the request itself is answered with 403."""
    body = {"metadata": {"name": "any"}} if method == "POST" else None
    with pytest.raises(RefusedError, match="forbidden"):
        discovery.call(method, path, body=body)


def test_a_write_is_refused_whole(applier, discovery):
    """An InferenceService that discovery tries to make is not there afterwards."""
    service = {
        "apiVersion": "serving.kserve.io/v1beta1", "kind": "InferenceService",
        "metadata": {"name": "forbidden", "namespace": "turnout"},
        "spec": {"predictor": {"model": {"modelFormat": {"name": "sklearn"}, "storageUri": "s3://m/iris"}}},
    }  # fmt: skip
    with pytest.raises(RefusedError, match="forbidden"):
        discovery.apply([service])
    found = applier.call("GET", "/apis/serving.kserve.io/v1beta1/inferenceservices")["items"]
    assert "forbidden" not in {each["metadata"]["name"] for each in found}


def test_discovery_reads_all_that_it_needs(applier, kubeconfig):
    """With this account alone the whole estate is read, and nothing is missing for want of a right."""
    service = {
        "apiVersion": "serving.kserve.io/v1beta1", "kind": "InferenceService",
        "metadata": {"name": "iris", "namespace": "turnout"},
        "spec": {"predictor": {"model": {"modelFormat": {"name": "sklearn"}, "storageUri": "s3://m/iris"}}},
    }  # fmt: skip
    applier.apply([service])
    with ClusterApi(kubeconfig) as api:
        found = estate.read(api)
        nodes.pools(api)
    applier.delete(service)
    assert found.problems == ()
    assert found.workload("iris") is not None
