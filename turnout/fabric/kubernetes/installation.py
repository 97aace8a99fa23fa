"""Installs Turnout's own manifests, and removes them; what belongs to it is what carries its label.

Nothing is applied while an input is missing or the API server refuses any object. What an earlier
installation had and this one has not is deleted.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from turnout.domain.errors import InvalidInputError, NotFoundError, RefusedError
from turnout.fabric.kubernetes.apply import Applier
from turnout.fabric.kubernetes.inputs import Input, wanted

Object = dict[str, Any]
Reference = tuple[str, str, str, str]
"""Version, kind, namespace and name."""

NAMESPACE = "turnout"
LABEL = "app.kubernetes.io/part-of=turnout"

KINDS = (
    ("v1", "Namespace"),
    ("storage.k8s.io/v1", "StorageClass"),
    ("v1", "ServiceAccount"),
    ("rbac.authorization.k8s.io/v1", "ClusterRole"),
    ("rbac.authorization.k8s.io/v1", "ClusterRoleBinding"),
    ("rbac.authorization.k8s.io/v1", "Role"),
    ("rbac.authorization.k8s.io/v1", "RoleBinding"),
    ("networking.k8s.io/v1", "NetworkPolicy"),
    ("v1", "ConfigMap"),
    ("v1", "PersistentVolumeClaim"),
    ("policy/v1", "PodDisruptionBudget"),
    ("coordination.k8s.io/v1", "Lease"),
    ("v1", "Service"),
    ("discovery.k8s.io/v1", "EndpointSlice"),
    ("gateway.envoyproxy.io/v1alpha1", "Backend"),
    ("gateway.envoyproxy.io/v1alpha1", "EnvoyProxy"),
    ("gateway.networking.k8s.io/v1", "GatewayClass"),
    ("gateway.networking.k8s.io/v1", "Gateway"),
    ("gateway.envoyproxy.io/v1alpha1", "EnvoyPatchPolicy"),
    ("apps/v1", "StatefulSet"),
    ("apps/v1", "Deployment"),
)
"""What an installation is made of, in the order in which it is made; it is removed in the opposite one."""

_KEPT = frozenset({"Namespace", "PersistentVolumeClaim"})
"""What holds the user's data and Secrets: only ever deleted with it, by the namespace's own end."""
_OF_A_RUN = "prefect.io/flow-run-id"
_ROUTES = "/apis/gateway.networking.k8s.io/v1/httproutes"


def install(applier: Applier, objects: Iterable[Object], *, dry_run: bool = False) -> list[Reference]:
    """Bring the cluster to what the objects say.

    Args:
        applier: The connection.
        objects: A rendered overlay.
        dry_run: Check everything, keep nothing.

    Returns:
        What an earlier installation had beyond it, and what was therefore deleted (or would be).

    Raises:
        NotFoundError: An input is missing, or a kind is not served.
        InvalidInputError: The API server finds an object invalid, or one lacks the label of what is removed.
        RefusedError: Not permitted.
        UnreachableError: No answer.
    """
    ordered = sorted(objects, key=_rank)
    _require_labelled(ordered)
    _require(applier, wanted(ordered))
    applier.apply(ordered, dry_run=True)
    if not dry_run:
        applier.apply(ordered)
    made = {_reference(each) for each in ordered}
    left = [each for each in _installed(applier) if each[2] == NAMESPACE and each not in made]
    if not dry_run:
        _delete(applier, left)
    return left


def uninstall(applier: Applier, *, data: bool = False) -> list[Reference]:
    """Delete what installations made. Harmless when there is nothing.

    Args:
        applier: The connection.
        data: Also the namespace, with the volumes, the user's Secrets and everything else that is in it.

    Returns:
        What was deleted.

    Raises:
        RefusedError: Clients' requests still come through the Gateway, or not permitted.
        UnreachableError: No answer.
    """
    _require_unused(applier)
    found = list(reversed(list(_installed(applier))))
    _delete(applier, found)
    runs = list(_runs(applier))
    _delete(applier, runs)
    found += runs
    if data:
        found.append(("v1", "Namespace", "", NAMESPACE))
        applier.delete(_object(found[-1]))
    return found


def _runs(applier: Applier) -> Iterator[Reference]:
    """Jobs of flow runs: Prefect's worker makes them, and marks them with labels of its own."""
    path = f"/apis/batch/v1/namespaces/{NAMESPACE}/jobs"
    for each in applier.call("GET", path, {"labelSelector": _OF_A_RUN})["items"]:
        yield "batch/v1", "Job", NAMESPACE, each["metadata"]["name"]


def _rank(item: Object) -> int:
    try:
        return [kind for _, kind in KINDS].index(item["kind"])
    except ValueError:
        return len(KINDS)


def _require_labelled(objects: Iterable[Object]) -> None:
    """Whatever is installed has to be found again: an overlay of one's own may have left the label out."""
    key, _, value = LABEL.partition("=")
    bare = [
        f"{each['kind']} {each['metadata']['name']}"
        for each in objects
        if (each["metadata"].get("labels") or {}).get(key) != value
    ]
    if bare:
        raise InvalidInputError(
            "kustomization", observed=f"no label {LABEL} on {', '.join(bare)}", limit="the label on each",
            remedy="Add it with `labels:` in the kustomization, as the shipped overlays do.",
        )  # fmt: skip


def _require(applier: Applier, inputs: Iterable[Input]) -> None:
    lacking = [words for each in inputs if (words := each.lacking(_found(applier, each)))]
    if lacking:
        raise NotFoundError(
            f"namespace {NAMESPACE}", observed="; ".join(lacking), limit="everything that the manifests name",
            remedy="Make it as docs/kubernetes.md says (What you have to give); nothing was applied.",
        )  # fmt: skip


def _found(applier: Applier, wanted_input: Input) -> Object | None:
    reference = wanted_input.reference()
    try:
        return applier.call("GET", applier.path(reference))
    except NotFoundError:
        return None


def _installed(applier: Applier) -> Iterator[Reference]:
    """What carries the label and is no data, in the order of making; in the models' namespaces, too."""
    for version, kind in KINDS:
        if kind in _KEPT:
            continue
        try:
            plural = applier.collection(version, kind)
        except NotFoundError:  # a cluster without Gateway API has none of its objects
            continue
        for each in applier.call("GET", plural, {"labelSelector": LABEL}, named=kind).get("items", []):
            if not each["metadata"].get("ownerReferences"):  # what a controller made goes with its owner
                yield version, kind, each["metadata"].get("namespace", ""), each["metadata"]["name"]


def _require_unused(applier: Applier) -> None:
    try:
        routes = applier.call("GET", _ROUTES)["items"]
    except NotFoundError:
        return
    through = [
        f"{each['metadata']['namespace']}/{each['metadata']['name']}"
        for each in routes
        for parent in each["spec"].get("parentRefs", ())
        if (parent.get("namespace", each["metadata"]["namespace"]), parent["name"]) == (NAMESPACE, "turnout")
    ]
    if through:
        raise RefusedError(
            "the Gateway", observed=f"clients come through it: HTTPRoute {', '.join(sorted(set(through)))}",
            limit="a Gateway that no route leads through",
            remedy="Give the clients legacy's own address back, then: turnout route remove MODEL, for each.",
        )  # fmt: skip


def _delete(applier: Applier, references: Iterable[Reference]) -> None:
    for each in references:
        applier.delete(_object(each))


def _reference(item: Object) -> Reference:
    meta = item["metadata"]
    return item["apiVersion"], item["kind"], meta.get("namespace", ""), meta["name"]


def _object(reference: Reference) -> Object:
    version, kind, namespace, name = reference
    space = {"namespace": namespace} if namespace else {}
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name, **space}}
