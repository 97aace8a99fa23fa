"""Records of requests as a Gateway's proxies send them: the attributes' texts, as a real one wrote them."""

import json

from turnout.fabric.gateway_api.access_lines import FIELDS, TRY
from turnout.fabric.gateway_api.told import KEY, Told

LEGACY, DOOR = "10.0.0.1:80", "127.0.0.1:9301"
TOLD = Told("iris", "iris-1", "iris-1.3", 0.5, 9301)


def record(*hosts, told=TOLD, rule="shielded", namespace="turnout", name="iris", **fields):
    """A request that these hosts were asked for, one after the other."""
    notes = {KEY: str(told)}
    resource = {"kind": "HTTPRoute", "name": name, "namespace": namespace, "annotations": notes}
    found = {
        "route": json.dumps([{**resource, "sectionName": rule}]),
        "type": "DownstreamEnd",
        "id": "7-1000000000",
        "request": "a1",
        "start": "1000.500000",
        "status": "200",
        "duration_us": "2500",
        "first_byte_us": "2000",
        "duration_ms": "2",
        "tries": str(len(hosts)),
        "host": hosts[-1] if hosts else "-",
        "details": "via_upstream",
        "flags": "-",
        **fields,
    }
    made = {f"turnout.{key}": value for key, value in found.items()}
    assert made.keys() == FIELDS.keys()
    return made


def tried(host, status="500", request="a1"):
    """A try that failed."""
    return dict(zip(TRY, (request, host, status), strict=True))


def unsent(request="a1"):
    """A try that the door sent to nobody."""
    return tried(DOOR, "597", request)
