"""InferenceServices in every form out of KServe's own schema: what goes in comes out."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.cluster.crd_values import values
from turnout.domain.document import Document
from turnout.domain.estate import finding
from turnout.domain.inventory import gather
from turnout.domain.predictor import FORMS
from turnout.domain.workload import Workload
from turnout.lab.cluster import definitions

EXAMPLES = 400
LABELS = st.from_regex(r"[a-z]([a-z0-9-]{0,20}[a-z0-9])?", fullmatch=True)
REPLICAS = st.integers(0, 9)
FIXED = {
    "protocolVersion": st.sampled_from(["v1", "v2", "grpc-v1", "grpc-v2"]),
    "minReplicas": st.integers(0, 4),
    "maxReplicas": st.integers(4, 9),
    "containerConcurrency": REPLICAS,
    "timeout": REPLICAS,
    "canaryTrafficPercent": st.integers(0, 100),
    "name": LABELS,
}
LEAST = {"containers": {"minItems": 1}, "model": {"required": ["modelFormat"]}}
"""What KServe's webhook, its controller or Kubernetes demands beyond the schema."""


def _schema() -> dict[str, Any]:
    (found,) = (
        definition
        for definition in definitions.ensure()
        if definition["metadata"]["name"] == "inferenceservices.serving.kserve.io"
    )
    (version,) = (each for each in found["spec"]["versions"] if each["name"] == "v1beta1")
    return version["schema"]["openAPIV3Schema"]["properties"]["spec"]


SPEC = _schema()
PREDICTOR = SPEC["properties"]["predictor"]
NAMED = [form for form in FORMS if form in PREDICTOR["properties"]]
KINDS = [*NAMED, "model", "containers", "workerSpec"]


@st.composite
def services(draw: st.DrawFn) -> dict[str, Any]:
    """One InferenceService with exactly one form of predictor, as the webhook demands."""
    spec = draw(values(SPEC, FIXED))
    kind = draw(st.sampled_from(KINDS))
    spec["predictor"] = _with_form(draw, draw(values(PREDICTOR, FIXED)), kind)
    for canary in spec.get("canary", []):
        canary["predictor"] = _with_form(draw, canary["predictor"], draw(st.sampled_from(NAMED)))
    return {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": {"name": draw(LABELS), "namespace": draw(LABELS), "labels": {"a": draw(LABELS)}},
        "spec": spec,
    }


def _with_form(draw: st.DrawFn, predictor: dict[str, Any], kind: str) -> dict[str, Any]:
    rest = {name: value for name, value in predictor.items() if name not in KINDS}
    least = LEAST.get(kind, {})
    return rest | {kind: draw(values(PREDICTOR["properties"][kind] | least, FIXED))}


def _leaves(value: Any, way: str) -> Iterator[tuple[str, Any]]:
    """Every scalar, and every empty collection, by its way."""
    if isinstance(value, dict) and value:
        for key, part in value.items():
            yield from _leaves(part, f"{way}.{key}")
    elif isinstance(value, list) and value:
        for index, part in enumerate(value):
            yield from _leaves(part, f"{way}[{index}]")
    elif not isinstance(value, dict | list):
        yield way, value


def _carried(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, part in value.items():
            yield str(key)
            yield from _carried(part)
    elif isinstance(value, list):
        for part in value:
            yield from _carried(part)
    elif value is not None:
        yield str(value)


def _is_listed(way: str, unread: tuple[str, ...]) -> bool:
    return any(way == one or way.startswith((f"{one}.", f"{one}[")) for one in unread)


def _is_told(value: Any, carried: set[str]) -> bool:
    """A value stands as it is, or inside of a longer one such as a URI; numbers are equal as numbers."""
    text = str(value)
    return (
        text in carried
        or str(float(value) if isinstance(value, int) else value) in carried
        or any(text in one for one in carried)
    )


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(service=services())
def test_nothing_that_the_schema_allows_is_dropped(service):
    """Each field is carried by value or listed as not understood; values of variables alone are neither."""
    found = finding(Document(value=service, file="inferenceservices a/b"))
    assert isinstance(found, Workload), found
    meta = service["metadata"]
    assert (found.name, found.namespace, found.labels) == (meta["name"], meta["namespace"], meta["labels"])
    carried = set(_carried(json.loads(found.model_dump_json(exclude={"unread"}))))
    lost = [
        (way, value)
        for way, value in _leaves(service["spec"], "spec")
        if not _is_listed(way, found.unread) and not _is_told(value, carried) and ".env[" not in way
    ]
    assert lost == []


@settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))
@given(found=st.lists(services(), min_size=2, max_size=5))
def test_as_many_come_out_as_go_in(found):
    """Of many, each is a workload, or named as being there twice."""
    documents = [Document(value=one, file=f"inferenceservices {number}") for number, one in enumerate(found)]
    inventory = gather(filter(None, map(finding, documents)))
    names = [(one["metadata"]["namespace"], one["metadata"]["name"]) for one in found]
    once = {name for name in names if names.count(name) == 1}
    assert {(one.namespace, one.name) for one in inventory.workloads} == once
    assert len(inventory.problems) == len(names) - len(set(names))


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_every_form_of_the_schema_is_known(kind, data):
    """No form that KServe's schema has is an unknown framework."""
    service = data.draw(services())
    service["spec"]["predictor"] = _with_form(data.draw, service["spec"]["predictor"], kind)
    found = finding(Document(value=service, file="inferenceservices a/b"))
    assert isinstance(found, Workload), found
    form = {"containers": "custom", "workerSpec": "custom"}.get(kind)
    named = service["spec"]["predictor"][kind]["modelFormat"]["name"] if kind == "model" else kind
    assert found.framework in {form or named, "huggingface"}
