"""What Ray Serve is told: our applications, beside everything that is there already."""

from typing import Any
from urllib.parse import urlsplit

import pytest

from runtimes import Endpoint
from runtimes.bridges.lines import Handled, line
from runtimes.ray_serve.bridging import bridge, bridged, handled
from runtimes.ray_serve.desired import Desired
from runtimes.ray_serve.interface import KEEP_ALIVE_SECONDS, is_there, merged
from turnout.domain.contract import AnswerKind, Contract, SameAnswer, Tensor, Wire
from turnout.domain.errors import InvalidInputError
from turnout.domain.route import RoutePolicy
from turnout.fabric.state import State

CONTRACT = Contract(
    model="iris",
    wire=Wire.V1,
    inputs=(Tensor(name="instances", datatype="FP64", shape=(-1, 4)),),
    outputs=(Tensor(name="predictions", datatype="INT64", shape=(-1,)),),
    same_answer=SameAnswer(kind=AnswerKind.LABELS),
    policy=RoutePolicy(try_seconds=1.5),
)
LINE = bridged("iris-1", CONTRACT, Endpoint(host="10.0.0.1", port=8000, grpc_port=8001))
PROXY = urlsplit("http://127.0.0.1:9000")
NOTHING: dict[str, Any] = {"applications": {}, "http_options": None, "proxy_location": None}


def _running(config):
    return {"status": "RUNNING", "deployed_app_config": config}


def test_a_line_says_whom_to_ask_and_how_long():
    """Runtime's gRPC address, tensors of the contract, the contract's time for one try."""
    assert (LINE.address, LINE.model, LINE.timeout_seconds) == ("10.0.0.1:8001", "iris", 1.5)
    assert (LINE.input.datatype, LINE.output.shape) == ("FP64", (-1,))


@pytest.mark.parametrize("found", [LINE, handled("iris-2", CONTRACT)])
def test_a_line_is_read_as_it_was_written(found):
    """The bridge gets its table as JSON."""
    assert line(found.model_dump(mode="json")) == found


@pytest.mark.parametrize(("port", "wire"), [(None, Wire.V1), (8001, Wire.V2)])
def test_what_cannot_be_bridged_is_refused(port, wire):
    """The bridge speaks gRPC to Triton, and V1 to clients: V2 clients reach Triton themselves."""
    contract = CONTRACT.model_copy(update={"wire": wire})
    with pytest.raises(InvalidInputError, match="gRPC"):
        bridged("iris-1", contract, Endpoint(host="10.0.0.1", port=8000, grpc_port=port))


def test_a_serve_that_is_not_started_gets_the_labs_address():
    """Host and port of the settings, on the head node, connections kept longer than the router keeps them."""
    config = merged(NOTHING, [bridge(Wire.V1, {"iris": LINE})], set(), PROXY)
    started = {"host": "127.0.0.1", "port": 9000, "keep_alive_timeout_s": KEEP_ALIVE_SECONDS}
    assert (config["http_options"], config["proxy_location"]) == (started, "HeadOnly")
    assert [app["name"] for app in config["applications"]] == ["bridge-v1"]


def test_what_somebody_else_runs_is_put_again_unchanged():
    """Serve takes the whole configuration: an application that is left out would be deleted."""
    theirs = {"name": "theirs", "import_path": "a.b:app", "route_prefix": "/theirs"}
    running = {
        "applications": {
            "theirs": {"deployed_app_config": theirs},
            "bridge-v1": {"deployed_app_config": bridge(Wire.V1, {})},
            "ended-1": {"deployed_app_config": {"name": "ended-1"}},
            "by-hand": {"deployed_app_config": None},
        },
        "http_options": {"host": "10.0.0.9", "port": 8000},
        "proxy_location": "EveryNode",
    }
    config = merged(running, [bridge(Wire.V1, {"iris": LINE})], {"ended-1"}, PROXY)
    assert config["applications"][0] == theirs
    assert [app["name"] for app in config["applications"]] == ["theirs", "bridge-v1"]
    assert (config["http_options"], config["proxy_location"]) == (running["http_options"], "EveryNode")


def test_the_same_table_is_not_put_again():
    """A deployment that is repeated changes nothing; another attempt's line, or a failed one, does."""
    one, same = bridge(Wire.V1, {"iris": LINE}), bridge(Wire.V1, {"iris": LINE})
    other = bridge(Wire.V1, {"iris": LINE.model_copy(update={"attempt": "iris-2"})})
    assert is_there(_running(one), same)
    assert not is_there(_running(one), other)
    assert not is_there({**_running(one), "status": "DEPLOY_FAILED"}, same)
    assert not is_there(None, one)


def test_an_application_of_another_package_is_put_again():
    """Its arguments name the package; what Serve fills in beside them does not count."""
    wanted = {
        "name": "a-1",
        "route_prefix": None,
        "args": {"digest": "1"},
        "deployments": [{"name": "Ingress"}],
    }
    filled = {**wanted, "host": "0.0.0.0", "deployments": [{"name": "Ingress", "num_replicas": 1}]}  # noqa: S104
    assert is_there(_running(filled), wanted)
    assert not is_there(_running(filled), {**wanted, "args": {"digest": "2"}})


def test_everything_that_should_run_is_kept(tmp_path):
    """A Ray that was lost gets it all from the files: applications, and bridges with their tables."""
    desired, mine = Desired(State(tmp_path)), handled("iris-2", CONTRACT)
    desired.keep_application({"name": "iris-2"})
    desired.keep_lines(Wire.V2, {"iris": mine})
    again = Desired(State(tmp_path))
    assert again.everything() == [{"name": "iris-2"}, bridge(Wire.V2, {"iris": mine})]
    assert isinstance(again.lines(Wire.V2)["iris"], Handled)
    assert again.drop_application("iris-2")
    assert not again.drop_application("iris-2")
    assert again.everything() == [bridge(Wire.V2, {"iris": mine})]
