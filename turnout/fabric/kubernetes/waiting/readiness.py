"""Whether an object is what its spec says, by its own status. Pure.

A status counts only for the generation that it was written for: right after a change the old one still says
that all is well. The rules are those of each kind's own documentation; a kind without a rule of its own is
ready by its condition Ready or Available, and unknown where it has neither.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Object = dict[str, Any]


@dataclass(frozen=True)
class Ready:
    """How an object stands.

    Attributes:
        ready: Whether it is what its spec says.
        words: What it is waiting for; empty when it is ready.
        hopeless: Whether it has given up by its own word: waiting on is of no use.
    """

    ready: bool
    words: str = ""
    hopeless: bool = False


def readiness(item: Object) -> Ready:
    """How an object stands by its own status."""
    kind = item["kind"]
    if kind not in _UNVERSIONED and not _is_current(item):
        return Ready(ready=False, words="its controller has not seen the last change yet")
    return _RULES.get(kind, _by_condition)(item)


def _is_current(item: Object) -> bool:
    seen = (item.get("status") or {}).get("observedGeneration")
    return seen is not None and seen >= item["metadata"].get("generation", 0)


def condition(item: Object, kind: str) -> Object:
    """A condition by its type; empty where there is none."""
    found = (item.get("status") or {}).get("conditions") or ()
    return next((each for each in found if each["type"] == kind), {})


def _deployment(item: Object) -> Ready:
    """As `kubectl rollout status` does: all new, none old, all available."""
    wanted, status = item["spec"].get("replicas", 1), item["status"]
    updated, all_of_them = status.get("updatedReplicas", 0), status.get("replicas", 0)
    available = status.get("availableReplicas", 0)
    progressing = condition(item, "Progressing")
    if progressing.get("reason") == "ProgressDeadlineExceeded":
        return Ready(ready=False, words=_said(progressing), hopeless=True)
    failure = condition(item, "ReplicaFailure")
    if failure.get("status") == "True" and updated < wanted:
        return Ready(ready=False, words=_said(failure))
    if updated < wanted:
        return Ready(ready=False, words=f"{updated} of {wanted} new replicas are there")
    if all_of_them > updated:
        return Ready(ready=False, words=f"{all_of_them - updated} old replicas are still there")
    if available < wanted:
        return Ready(ready=False, words=f"{available} of {wanted} replicas are available")
    return Ready(ready=True)


def _stateful_set(item: Object) -> Ready:
    wanted, status = item["spec"].get("replicas", 1), item["status"]
    ready = status.get("readyReplicas", 0)
    if status.get("currentRevision") != status.get("updateRevision"):
        return Ready(ready=False, words=f"{status.get('updatedReplicas', 0)} of {wanted} replicas are new")
    return Ready(ready=ready >= wanted, words="" if ready >= wanted else f"{ready} of {wanted} are ready")


def _ray_service(item: Object) -> Ready:
    """KubeRay's conditions; an upgrade under way still serves with the old cluster."""
    if condition(item, "UpgradeInProgress").get("status") == "True":
        return Ready(ready=False, words=_said(condition(item, "UpgradeInProgress")))
    by_condition = _by_condition(item)
    if by_condition.ready:
        return by_condition
    cluster = item["status"].get("pendingServiceStatus") or item["status"].get("activeServiceStatus") or {}
    applications = [
        f"{name} is {app.get('status')}: {app.get('message') or 'no message'}"
        for name, app in (cluster.get("applicationStatuses") or {}).items()
        if app.get("status") != "RUNNING"
    ]
    failed = any("DEPLOY_FAILED" in each for each in applications)
    return Ready(ready=False, words="; ".join([by_condition.words, *applications]), hopeless=failed)


def _job(item: Object) -> Ready:
    """It has done its work; a Job that has failed begins no more pods."""
    if condition(item, "Complete").get("status") == "True":
        return Ready(ready=True)
    failed = condition(item, "Failed")
    if failed.get("status") == "True":
        return Ready(ready=False, words=_said(failed), hopeless=True)
    return Ready(ready=False, words="it is not done yet")


def _claim(item: Object) -> Ready:
    phase = (item.get("status") or {}).get("phase")
    return Ready(ready=phase == "Bound", words="" if phase == "Bound" else f"the volume is {phase}")


def _route(item: Object) -> Ready:
    """Every parent has accepted the route and found what it leads to."""
    parents = (item.get("status") or {}).get("parents") or ()
    if not parents:
        return Ready(ready=False, words="no gateway has taken the route up")
    for parent in parents:
        for each in parent.get("conditions", ()):
            stale = each.get("observedGeneration", 0) < item["metadata"].get("generation", 0)
            if each["status"] != "True" or stale:
                return Ready(ready=False, words=f"{each['type']}: {_said(each)}")
    return Ready(ready=True)


def _exists(_item: Object) -> Ready:
    return Ready(ready=True)


def _by_condition(item: Object) -> Ready:
    for kind in ("Ready", "Available", "Programmed"):
        if found := condition(item, kind):
            good = found["status"] == "True"
            return Ready(ready=good, words="" if good else f"{kind}: {_said(found)}")
    return Ready(ready=False, words="its status says nothing yet")


def _said(found: Object) -> str:
    return f"{found.get('reason', '')}: {found.get('message', '')}".strip(": ") or "no reason given"


_RULES: dict[str, Callable[[Object], Ready]] = {
    "Deployment": _deployment, "StatefulSet": _stateful_set, "RayService": _ray_service,
    "PersistentVolumeClaim": _claim, "Job": _job, "HTTPRoute": _route,
    **dict.fromkeys(("Service", "ConfigMap", "Secret", "PodDisruptionBudget", "Namespace"), _exists),
}  # fmt: skip
_UNVERSIONED = frozenset({
    "PersistentVolumeClaim", "HTTPRoute", "Service", "ConfigMap", "Secret", "PodDisruptionBudget",
    "Namespace", "Pod", "Job", "InferenceService", "Gateway",
})  # fmt: skip
"""Kinds whose status names no generation, or names it in each condition."""
