"""Why pods are not ready, from their status and the events about them. Pure.

What a person would look up with `kubectl describe` and `kubectl logs`, the most telling first: what a
container says of itself, what the scheduler says, what a controller could not create.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from turnout.fabric.kubernetes.waiting.readiness import condition

Object = dict[str, Any]

HOPELESS = frozenset({"InvalidImageName", "ErrImageNeverPull"})
"""Waiting on cures neither; an image that cannot be pulled, or a Secret, may be there a minute later."""
_COMING = frozenset({"ContainerCreating", "PodInitializing"})


@dataclass(frozen=True)
class Reason:
    """Why something is not ready.

    Attributes:
        subject: What it is about: `pod triton-iris-1-abc, container triton`.
        words: What is wrong.
        log_of: Pod and container whose last lines tell more; None: it has none.
        previous: Whether those of its last life are meant.
        hopeless: Whether waiting on is of no use.
    """

    subject: str
    words: str
    log_of: tuple[str, str] | None = None
    previous: bool = False
    hopeless: bool = False

    def __str__(self) -> str:
        """One line."""
        return f"{self.subject}: {self.words}"


def of_pods(pods: Iterable[Object]) -> list[Reason]:
    """What is wrong with pods that are not ready, each reason once."""
    found = [reason for pod in pods if not _is_ready(pod) for reason in _of_pod(pod)]
    return list(dict.fromkeys(found))


def of_events(events: Iterable[Object], subjects: set[str]) -> list[Reason]:
    """Warnings about objects, the latest of each reason, newest last.

    Args:
        events: Events of the namespace (`v1`).
        subjects: Names of the objects that are meant: the workload, what its controllers made, its pods.
    """
    latest: dict[tuple[str, str], Object] = {}
    for event in sorted(events, key=_at):
        about = event.get("involvedObject") or {}
        if event.get("type") == "Warning" and about.get("name") in subjects:
            latest[about["name"], event.get("reason", "")] = event
    return [
        Reason(f"{event['involvedObject'].get('kind', '').lower()} {name}", f"{reason}: {_message(event)}")
        for (name, reason), event in latest.items()
    ]


def _of_pod(pod: Object) -> Iterator[Reason]:
    name, status = pod["metadata"]["name"], pod.get("status") or {}
    scheduled = condition(pod, "PodScheduled")
    if scheduled.get("status") == "False":
        yield Reason(f"pod {name}", f"{scheduled.get('reason')}: {scheduled.get('message')}")
        return
    if status.get("phase") == "Failed" and status.get("reason"):
        yield Reason(f"pod {name}", f"{status['reason']}: {status.get('message', '')}".rstrip(": "))
    for each in (*status.get("initContainerStatuses", ()), *status.get("containerStatuses", ())):
        if reason := _of_container(name, each):
            yield reason


def _of_container(pod: str, status: Object) -> Reason | None:
    subject, log = f"pod {pod}, container {status['name']}", (pod, status["name"])
    state = status.get("state") or {}
    last = (status.get("lastState") or {}).get("terminated")
    if waiting := state.get("waiting"):
        if waiting.get("reason") in _COMING:
            return None
        words = f"{waiting.get('reason')}: {waiting.get('message', '')}".rstrip(": ")
        ended = f"; it ended before with {_ended(last)}" if last else ""
        last_log = log if last else None
        hopeless = waiting.get("reason") in HOPELESS
        return Reason(subject, words + ended, last_log, previous=bool(last), hopeless=hopeless)
    if terminated := state.get("terminated"):
        return None if terminated.get("exitCode") == 0 else Reason(subject, _ended(terminated), log)
    if "running" in state and not status.get("ready"):
        restarts = status.get("restartCount", 0)
        again = f", started {restarts} times again, last after {_ended(last)}" if last else ""
        return Reason(subject, f"runs and does not answer its readiness probe{again}", log)
    return None


def _ended(terminated: Object) -> str:
    words = f"{terminated.get('reason', 'an end')} (status {terminated.get('exitCode')})"
    message = " ".join((terminated.get("message") or "").split())
    return f"{words}: {message}" if message else words


def _is_ready(pod: Object) -> bool:
    return condition(pod, "Ready").get("status") == "True" or (pod.get("status") or {}).get("phase") == (
        "Succeeded"
    )


def _at(event: Object) -> str:
    return str(event.get("lastTimestamp") or event.get("eventTime") or event.get("firstTimestamp") or "")


def _message(event: Object) -> str:
    return " ".join((event.get("message") or "").split())
