"""What a Gateway's proxies tell of a request becomes the line that the lab's Envoy writes of the same one."""

import dataclasses

import orjson
import pytest
import yaml

from tests.unit.router.proxy_records import DOOR, LEGACY, TOLD, record, tried, unsent
from turnout.domain.errors import InvalidInputError
from turnout.domain.requests import Arm
from turnout.fabric import telemetry
from turnout.fabric.environments import project_root
from turnout.fabric.gateway_api.access_lines import FAILED, FIELDS, OURS, TRY, entry, failed
from turnout.fabric.gateway_api.told import parse

MANIFESTS = ("deployments/kubernetes/base/gateway.yaml", "turnout/lab/cluster/addons/gateway.yaml")


def read(attributes, first=None):
    """The request as the reader of the log has it, with what is told of its first try."""
    found = entry(attributes)
    line = (found.after(failed(first)[1]) if first else found).line
    return telemetry._parsed("pod-1", orjson.loads(orjson.dumps(line)))


@pytest.mark.parametrize(
    ("hosts", "arm", "by"),
    [
        ([LEGACY], Arm.LEGACY, Arm.LEGACY),
        ([DOOR], Arm.CANDIDATE, Arm.CANDIDATE),
        (["[::1]:9301"], Arm.CANDIDATE, Arm.CANDIDATE),
        (["@turnout/iris"], Arm.CANDIDATE, Arm.CANDIDATE),
        (["127.0.0.1:9302"], Arm.LEGACY, Arm.LEGACY),
        ([DOOR, LEGACY], Arm.CANDIDATE, Arm.LEGACY),
        ([LEGACY, LEGACY], Arm.LEGACY, Arm.LEGACY),
    ],
)
def test_the_first_host_is_the_arm_and_the_last_one_answered(hosts, arm, by):
    """The candidate's door, and only it, is the candidate; every field is there."""
    one = read(record(*hosts), tried(hosts[0]) if len(hosts) > 1 else None)
    assert (one.arm, one.answered_by, one.tries) == (arm, by, len(hosts))
    assert (one.model, one.attempt, one.route_version, one.weight) == ("iris", "iris-1", "iris-1.3", 0.5)
    assert (one.started_seconds, one.duration_seconds, one.first_byte_seconds) == (1000.5, 0.0025, 0.002)
    assert one.request_id == "pod-1/7-1000000000"
    assert one.rescued == (hosts == [DOOR, LEGACY])


def test_a_request_that_the_door_sent_to_nobody_is_diverted():
    """Without a word of its first try it was rescued: the candidate had it, and failed."""
    assert entry(record(DOOR, LEGACY)).waits
    assert read(record(DOOR, LEGACY)).rescued
    assert read(record(DOOR, LEGACY), unsent()).diverted
    assert read(record(DOOR, LEGACY), tried(DOOR, "-")).rescued
    assert not entry(record(DOOR)).waits
    assert not entry(record(LEGACY, LEGACY, rule="legacy")).waits


def test_what_chance_did_not_choose_has_no_weight():
    """The rule of what cannot be shielded, and requests that ended before a host was chosen."""
    assert read(record(LEGACY, rule="legacy")).weight == 0
    nobody = read(record(status="0", details="downstream_remote_disconnect", first_byte_us="-"))
    assert (nobody.weight, nobody.arm, nobody.answered_by) == (0, Arm.LEGACY, None)


def test_a_route_without_an_attempt_is_told_without_one():
    """As of a model that is not migrating."""
    told = dataclasses.replace(TOLD, attempt=None, version="legacy.4", weight=0.0)
    one = read(record(LEGACY, told=told, rule="legacy"))
    assert (one.attempt, one.route_version, one.arm) == (None, "legacy.4", Arm.LEGACY)
    assert parse(str(told)) == told


def test_a_request_under_way_is_told_with_its_arm():
    """Whether its answer has begun, too; before a host is chosen nothing is told."""
    waits = {"type": "DownstreamPeriodic", "duration_us": "-", "first_byte_us": "-", "details": "-"}
    one = read(record(DOOR, status="0", **waits))
    assert (one.arm, one.duration_seconds, one.first_byte_seconds) == (Arm.CANDIDATE, None, None)
    begun = read(record(DOOR, **{**waits, "first_byte_us": "900", "details": "via_upstream"}))
    assert (begun.duration_seconds, begun.first_byte_seconds) == (None, 0.0009)
    assert entry(record(**waits)) is None
    assert entry(record(DOOR, type="DownstreamStart")) is None


@pytest.mark.parametrize(
    "bad",
    [
        {},
        record(LEGACY) | {"turnout.route": "-"},
        record(LEGACY) | {"turnout.route": "[]"},
        record(LEGACY, tries="many"),
        record(LEGACY, name="other"),
        record(LEGACY, told="model=../../etc;attempt=-;version=1;weight=0;door=1;captured=0"),
        record(LEGACY, told="model=iris;attempt=other-1;version=1;weight=0;door=1;captured=0"),
        record(LEGACY, told="model=iris;attempt=-;version=1;weight=7;door=1;captured=0"),
    ],
)
def test_what_is_no_record_of_ours_is_refused(bad):
    """A missing attribute, a route without our word, a name that is no model's."""
    with pytest.raises(InvalidInputError):
        entry(bad)


@pytest.mark.parametrize("file", MANIFESTS)
def test_the_proxies_are_told_to_send_what_is_read(file):
    """The manifests ask for the very attributes, of the very requests."""
    text = (project_root() / file).read_text().replace("${", "$(")
    documents = list(yaml.safe_load_all(text))
    [proxy] = [one for one in documents if one["kind"] == "EnvoyProxy"]
    whole, tries = proxy["spec"]["telemetry"]["accessLog"]["settings"]
    assert (whole["type"], whole["matches"], whole["format"]["json"]) == ("Route", [OURS], FIELDS)
    assert (tries["type"], tries["matches"], tries["format"]["json"]) == ("Upstream", [FAILED], TRY)
    [gateway] = [one for one in documents if one["kind"] == "Gateway"]
    [patch] = [one for one in documents if one["kind"] == "EnvoyPatchPolicy"]
    meta = gateway["metadata"]
    listeners = {f"{meta['namespace']}/{meta['name']}/{one['name']}" for one in gateway["spec"]["listeners"]}
    assert {one["name"] for one in patch["spec"]["jsonPatches"]} == listeners
