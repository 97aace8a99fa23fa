"""What hands a model's exchanges to the shadow service, and never a client's error."""

import pytest

from turnout.domain.route import Backend
from turnout.fabric.gateway_api.capturing import capture
from turnout.fabric.gateway_api.place import Place


@pytest.mark.parametrize(
    ("host", "endpoint"),
    [
        ("shadow.turnout.svc", {"fqdn": {"hostname": "shadow.turnout.svc", "port": 9000}}),
        ("10.0.0.7", {"ip": {"address": "10.0.0.7", "port": 9000}}),
    ],
)
def test_exchanges_are_handed_over_without_waiting(host, endpoint):
    """Send and go, passed by where it cannot be reached, for the model's whole route."""
    backend, policy = capture(Place("turnout", "front"), "iris", Backend(name="s", host=host, port=9000))
    assert backend["spec"]["endpoints"] == [endpoint]
    [processor] = policy["spec"]["extProc"]
    assert processor["shadowMode"] is processor["failOpen"] is True
    assert [ref["name"] for ref in processor["backendRefs"]] == [backend["metadata"]["name"]]
    assert [target["name"] for target in policy["spec"]["targetRefs"]] == ["iris"]
