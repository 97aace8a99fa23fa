"""Who chose and who answered an exchange, by what a Gateway's proxy tells; and which are kept."""

import asyncio
from types import SimpleNamespace

import pytest
from google.protobuf.struct_pb2 import Struct

from tests.unit.router.proxy_records import DOOR, LEGACY, TOLD
from turnout.domain.requests import Arm
from turnout.services.shadow.exchange import Origin
from turnout.services.shadow.origin import Attributes
from turnout.services.shadow.receiver import Receiver


def told(**fields):
    """Attributes of one message, as Envoy sends them."""
    struct = Struct()
    struct.update({key.replace("__", "."): value for key, value in fields.items()})
    return {"envoy.filters.http.ext_proc": struct}


def metadata(share):
    """The route's metadata as protobuf text."""
    text = f"{TOLD}".replace("captured=0", f"captured={share}")
    return f'filter_metadata {{ key: "envoy-gateway" value {{ string_value: "{text}" }} }}'


@pytest.mark.parametrize(
    ("address", "tries", "arm", "by"),
    [
        (LEGACY, 1, Arm.LEGACY, Arm.LEGACY),
        (DOOR, 1, Arm.CANDIDATE, Arm.CANDIDATE),
        (LEGACY, 2, Arm.CANDIDATE, Arm.LEGACY),
        ("", 0, Arm.LEGACY, None),
    ],
)
def test_the_host_that_answered_and_the_tries_tell_the_arms(address, tries, arm, by):
    """One try: it was chosen. More: the candidate was, and legacy answered."""
    attributes = Attributes()
    attributes.add(told(xds__route_metadata=metadata(0.25)))
    attributes.add(told(upstream__address=address, upstream__request_attempt_count=tries))
    assert attributes.origin() == Origin("iris", "iris-1", arm, by)
    assert attributes.share() == 0.25


def test_what_names_no_route_of_ours_has_no_origin():
    """Nor one whose words are not ours."""
    attributes = Attributes()
    attributes.add(told(xds__route_metadata='string_value: "model=../x;attempt=-"'))
    assert attributes.origin() is None


@pytest.mark.parametrize(("drawn", "kept"), [(0.24, 1), (0.25, 0)])
def test_the_capture_share_is_drawn_by_the_service(drawn, kept):
    """What it leaves out is hung up on at its headers, and no drop."""
    messages = []

    async def stream():
        for attributes in (told(xds__route_metadata=metadata(0.25)), {}):
            messages.append(attributes)
            yield SimpleNamespace(attributes=attributes, WhichOneof=lambda _: "none")

    dropped = []
    receiver = Receiver(lambda _: None, lambda *why: dropped.append(why), chance=lambda: drawn)
    asyncio.run(receiver.Process(stream(), None))
    assert (len(messages), len(dropped)) == (1 + kept, kept)
