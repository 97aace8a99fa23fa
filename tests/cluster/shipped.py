"""The shipped overlays as tests install them: what they ask their user for, and kubectl."""

import subprocess
import time

from turnout.domain.errors import NotFoundError
from turnout.fabric import environments
from turnout.fabric.kubernetes import installation, kustomize
from turnout.fabric.kubernetes.inputs import wanted

OVERLAYS = ("laptop", "gke", "eks", "aks")
WITHIN_SECONDS = 120.0
NAMESPACE = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "turnout"}}

PROXIES = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "envoy-gateway-system"}}

OF_THE_CLUSTER = (
    "rbac.authorization.k8s.io/v1/clusterroles",
    "rbac.authorization.k8s.io/v1/clusterrolebindings",
    "gateway.networking.k8s.io/v1/gatewayclasses",
)
OF_KUBERNETES = {("configmaps", "kube-root-ca.crt"), ("serviceaccounts", "default")}


def rendered(overlay):
    """The objects of an overlay."""
    return kustomize.render(kustomize.place(overlay))


def given(objects):
    """What the user of an overlay makes: made-up Secrets, ConfigMaps and storage classes."""
    for each in wanted(objects):
        made = each.reference()
        if each.kind == "StorageClass":
            made["provisioner"] = "made-up.example/files"
        elif each.kind == "Secret":
            made["stringData"] = dict.fromkeys(each.keys, "made-up")
        else:
            made["data"] = dict.fromkeys(each.keys or ("any",), "made-up")
        yield made


def give(applier, objects):
    """Make the namespace and all inputs as a user would: under another field manager."""
    applier.apply([NAMESPACE, PROXIES])
    for each in given(objects):
        applier.call("PATCH", applier.path(each), {"fieldManager": "user", "force": "true"}, each)


def names(applier, path):
    """Names of the objects of a list; none where the kind or the namespace is not there."""
    try:
        return {each["metadata"]["name"] for each in applier.call("GET", path)["items"]}
    except NotFoundError:
        return set()


def everything(applier):
    """Every object in the namespace, as (plural, name), but for events."""
    versions = ["v1"]
    versions += [g["preferredVersion"]["groupVersion"] for g in applier.call("GET", "/apis")["groups"]]
    for version in versions:
        root = f"/apis/{version}" if "/" in version else f"/api/{version}"
        for kind in applier.call("GET", root)["resources"]:
            if kind["namespaced"] and "list" in kind["verbs"] and kind["name"] != "events":
                path = f"{root}/namespaces/turnout/{kind['name']}"
                yield from ((kind["name"], name) for name in names(applier, path))


def left(applier, objects):
    """What is in the namespace and neither the user's nor Kubernetes' own, as (plural, name)."""
    users = {(f"{each['kind'].lower()}s", each["metadata"]["name"]) for each in given(objects)}
    return set(everything(applier)) - users - OF_KUBERNETES


def left_in_cluster(applier):
    """What of Turnout's is in no namespace."""
    found = {name for path in OF_THE_CLUSTER for name in names(applier, f"/apis/{path}")}
    return {name for name in found if name.startswith("turnout")}


def remove(applier):
    """Everything off again, with the namespace, and wait until it is gone."""
    installation.uninstall(applier, data=True)
    until = time.monotonic() + WITHIN_SECONDS
    while True:
        try:
            applier.call("GET", "/api/v1/namespaces/turnout")
        except NotFoundError:
            return
        assert time.monotonic() < until, "the namespace never ended"
        time.sleep(0.3)


def kubectl(control_plane, *arguments):
    """The locked kubectl, as the administrator: exit status and all that it said."""
    program = environments.ensure("kubectl") / "bin" / "kubectl"
    done = subprocess.run(
        [program, f"--kubeconfig={control_plane.kubeconfig}", *arguments],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr
