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
