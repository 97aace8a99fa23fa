"""What owners write on an object for Turnout: annotations, or else labels, of any kind of object."""

from typing import Any

from turnout.domain.document import Document, Place, say
from turnout.domain.kubernetes_schema import Metadata
from turnout.domain.workload import Criticality

OWNER = "turnout.dev/owner"
CRITICALITY = "turnout.dev/criticality"
LATENCY_CLASS = "turnout.dev/latency-class"
_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
"""A copy of the whole object by kubectl, with the values of its environment; all else of it is read."""
LATENCY_CLASSES = ("interactive", "batch")


def identity(document: Document, meta: Metadata) -> dict[str, Any]:
    """The fields of a workload that every kind of object has: names, marks, labels, where it was found.

    Raises:
        InvalidInputError: A mark has a value that is not one of its choices.
    """
    criticality = _chosen(document, meta, CRITICALITY, tuple(Criticality))
    return {
        "name": meta.name,
        "namespace": meta.namespace,
        "owner": _mark(meta, OWNER)[0] or None,
        "criticality": Criticality(criticality) if criticality else None,
        "latency_class": _chosen(document, meta, LATENCY_CLASS, LATENCY_CLASSES),
        "labels": meta.labels,
        "annotations": {key: value for key, value in meta.annotations.items() if key != _APPLIED},
        "source": document.where(),
    }


def _mark(meta: Metadata, key: str) -> tuple[str, Place]:
    """An annotation, or else a label, and its place."""
    if key in meta.annotations:
        return meta.annotations[key], ("metadata", "annotations", key)
    return meta.labels.get(key, ""), ("metadata", "labels", key)


def _chosen(document: Document, meta: Metadata, key: str, choices: tuple[str, ...]) -> str | None:
    value, place = _mark(meta, key)
    if value and value not in choices:
        limit = f"one of {', '.join(choices)}"
        remedy = "Correct that line, or remove it: then it is unknown."
        raise document.refuse(place, observed=f"{key}: {say(value)}", limit=limit, remedy=remedy)
    return value or None
