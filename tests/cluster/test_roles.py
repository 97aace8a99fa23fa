"""What each of Turnout's accounts may do, with a real API server deciding: its role, and nothing else."""

import pytest

from tests.cluster import shipped
from turnout.fabric.kubernetes import installation
from turnout.fabric.kubernetes.apply import Applier

ACCOUNTS = ("worker", "flow", "sentinel", "shadow")
TOKENLESS = ("mlflow", "prefect", "postgres", "objects")
MODELS = "test-roles-models"
BINDINGS = shipped.kustomize.overlays().parent / "models"
REVIEWS = "/apis/authorization.k8s.io/v1"
EVERYONE = {"selfsubjectreviews", "selfsubjectaccessreviews", "selfsubjectrulesreviews"}
NEVER = [
    ("", "secrets", "get"), ("", "secrets", "list"), ("", "pods/exec", "create"), ("", "pods", "create"),
    ("", "serviceaccounts/token", "create"), ("rbac.authorization.k8s.io", "rolebindings", "create"),
    ("rbac.authorization.k8s.io", "roles", "escalate"), ("apps", "daemonsets", "create"),
    ("serving.kserve.io", "inferenceservices", "delete"), ("", "nodes", "patch"),
    ("", "namespaces", "delete"),
]  # fmt: skip


@pytest.fixture(scope="module")
def objects(applier):
    """The whole of an overlay installed, with its bindings in one namespace of models."""
    found = shipped.rendered("laptop")
    shipped.give(applier, found)
    installation.install(applier, found)
    bindings = shipped.kustomize.render(BINDINGS)
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": MODELS}}
    for each in bindings:
        each["metadata"]["namespace"] = MODELS
    applier.apply([space, *bindings])
    yield [*found, *bindings]
    applier.delete(space)
    shipped.remove(applier)


def granted(objects, account, namespace):
    """What the manifests give an account in a namespace, as (group, resource, verb, name)."""
    roles = {(e["kind"], e["metadata"]["name"]): e["rules"] for e in objects if e["kind"].endswith("Role")}
    for each in objects:
        if not each["kind"].endswith("RoleBinding"):
            continue
        everywhere = each["kind"] == "ClusterRoleBinding"
        if not everywhere and each["metadata"]["namespace"] != namespace:
            continue
        if f"turnout-{account}" not in {subject["name"] for subject in each["subjects"]}:
            continue
        for rule in roles[each["roleRef"]["kind"], each["roleRef"]["name"]]:
            for group in rule["apiGroups"]:
                for resource in rule["resources"]:
                    for verb in rule["verbs"]:
                        for name in rule.get("resourceNames", [""]):
                            yield group, resource, verb, name


def permitted(control_plane, account, namespace):
    """What the API server says that an account may do in a namespace, complete."""
    review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectRulesReview",
              "spec": {"namespace": namespace}}  # fmt: skip
    with Applier(control_plane.kubeconfig_of(f"turnout/turnout-{account}")) as connection:
        status = connection.call("POST", f"{REVIEWS}/selfsubjectrulesreviews", body=review)["status"]
    assert not status["incomplete"]
    return {
        (group, resource, verb, name)
        for rule in status["resourceRules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
        for name in rule.get("resourceNames") or [""]
        if resource not in EVERYONE
    }


def allowed(applier, account, namespace, question):
    """Whether the API server would let an account do it."""
    group, resource, verb, name = question
    base, _, sub = resource.partition("/")
    attributes = {"namespace": namespace, "group": group, "resource": base, "subresource": sub, "verb": verb,
                  "name": name}  # fmt: skip
    review = {
        "apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview",
        "spec": {
            "user": f"system:serviceaccount:turnout:turnout-{account}",
            "groups": ["system:serviceaccounts", "system:serviceaccounts:turnout", "system:authenticated"],
            "resourceAttributes": attributes,
        },
    }  # fmt: skip
    return applier.call("POST", f"{REVIEWS}/subjectaccessreviews", body=review)["status"]["allowed"]


@pytest.mark.parametrize("namespace", ["turnout", MODELS, "default"])
@pytest.mark.parametrize("account", [*ACCOUNTS, *TOKENLESS])
def test_an_account_may_what_its_role_says_and_nothing_else(
    control_plane, applier, objects, account, namespace
):
    """Of all that the API server knows, exactly the shipped role's verbs are permitted, in its own places."""
    wanted = set(granted(objects, account, namespace))
    assert permitted(control_plane, account, namespace) == wanted
    assert all(allowed(applier, account, namespace, question) for question in sorted(wanted))
    assert not [each for each in NEVER if allowed(applier, account, namespace, (*each, ""))]
    assert not any("*" in part for question in wanted for part in question)


def test_in_namespaces_without_models_nobody_writes(objects):
    """Elsewhere than in its own namespace and in those of models, Turnout reads the estate at most."""
    for account in (*ACCOUNTS, *TOKENLESS):
        assert {verb for *_, verb, _ in granted(objects, account, "default")} <= {"get", "list"}, account


@pytest.mark.usefixtures("objects")
def test_the_sentinel_changes_its_own_lease_alone(applier):
    """Not another's, and it makes and deletes none."""
    leases = ("coordination.k8s.io", "leases")
    assert allowed(applier, "sentinel", "turnout", (*leases, "update", "turnout-sentinel"))
    assert not allowed(applier, "sentinel", "turnout", (*leases, "update", "another"))
    assert not allowed(applier, "sentinel", "turnout", (*leases, "create", ""))
    assert not allowed(applier, "sentinel", MODELS, ("gateway.networking.k8s.io", "httproutes", "delete", ""))


def test_no_pod_holds_a_token_that_it_does_not_need(objects):
    """Tokens of the API server are mounted by those who have a role, and by no others."""
    for each in objects:
        if each["kind"] in {"Deployment", "StatefulSet"}:
            spec = each["spec"]["template"]["spec"]
            account = spec["serviceAccountName"].removeprefix("turnout-")
            assert spec["automountServiceAccountToken"] == (account in ACCOUNTS), each["metadata"]["name"]
