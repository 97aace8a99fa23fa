"""What Ray Serve is told: our application, beside everything that is there already."""

from typing import Any
from urllib.parse import urlsplit

import pytest

from runtimes import Endpoint
from runtimes.ray_serve import APPLICATION, KEEP_ALIVE_SECONDS, _application, _config, _line, _same
from turnout.domain.contract import AnswerKind, Contract, SameAnswer, Tensor, Wire
from turnout.domain.errors import InvalidInputError
from turnout.domain.route import RoutePolicy

CONTRACT = Contract(
    model="iris",
    wire=Wire.V1,
    inputs=(Tensor(name="instances", datatype="FP64", shape=(-1, 4)),),
    outputs=(Tensor(name="predictions", datatype="INT64", shape=(-1,)),),
    same_answer=SameAnswer(kind=AnswerKind.LABELS),
    policy=RoutePolicy(try_seconds=1.5),
)
LINE = _line("iris-1", CONTRACT, Endpoint(host="10.0.0.1", port=8000, grpc_port=8001))
PROXY = urlsplit("http://127.0.0.1:9000")
NOTHING: dict[str, Any] = {"applications": {}, "http_options": None, "proxy_location": None}


def test_a_line_says_whom_to_ask_and_how_long():
    """Runtime's gRPC address, tensors of the contract, the contract's time for one try."""
    assert (LINE.address, LINE.model, LINE.timeout_seconds) == ("10.0.0.1:8001", "iris", 1.5)
    assert (LINE.input.datatype, LINE.output.shape) == ("FP64", (-1,))


def test_an_endpoint_without_grpc_is_refused():
    """The bridge speaks gRPC only."""
    with pytest.raises(InvalidInputError, match="gRPC"):
        _line("iris-1", CONTRACT, Endpoint(host="10.0.0.1", port=8000))


def test_a_serve_that_is_not_started_gets_the_labs_address():
    """Host and port of the settings, on the head node, connections kept longer than the router keeps them."""
    config = _config(NOTHING, _application({"iris": LINE}), PROXY)
    started = {"host": "127.0.0.1", "port": 9000, "keep_alive_timeout_s": KEEP_ALIVE_SECONDS}
    assert (config["http_options"], config["proxy_location"]) == (started, "HeadOnly")
    assert [app["name"] for app in config["applications"]] == [APPLICATION]


def test_what_somebody_else_runs_is_put_again_unchanged():
    """Serve takes the whole configuration: an application that is left out would be deleted."""
    theirs = {"name": "theirs", "import_path": "a.b:app", "route_prefix": "/theirs"}
    ours = _application({})
    running = {
        "applications": {
            "theirs": {"deployed_app_config": theirs},
            APPLICATION: {"deployed_app_config": ours},
            "by-hand": {"deployed_app_config": None},
        },
        "http_options": {"host": "10.0.0.9", "port": 8000},
        "proxy_location": "EveryNode",
    }
    config = _config(running, _application({"iris": LINE}), PROXY)
    assert config["applications"][0] == theirs
    assert [app["name"] for app in config["applications"]] == ["theirs", APPLICATION]
    assert (config["http_options"], config["proxy_location"]) == (running["http_options"], "EveryNode")


def test_the_same_table_is_not_put_again():
    """A deployment that is repeated changes nothing; another attempt's line does."""
    one, same = _application({"iris": LINE}), _application({"iris": LINE})
    other = _application({"iris": LINE.model_copy(update={"attempt": "iris-2"})})
    assert _same(one, same)
    assert not _same(one, other)
    assert not _same(None, one)
