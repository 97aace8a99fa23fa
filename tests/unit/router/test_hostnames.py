"""A hostname is one route's on a Gateway: whose it is, is said before a client can notice."""

import pytest

from turnout.domain.errors import RefusedError
from turnout.domain.route import Backend, Registration
from turnout.fabric.gateway_api import deciding
from turnout.fabric.gateway_api.hostnames import require_free
from turnout.fabric.gateway_api.place import Place

PLACE = Place("turnout", "front", "http", "{model}.new.example.com")
LEGACY = "iris-models.example.com"
PARENT = {"name": "front", "namespace": "turnout"}


def theirs(*names, within="models", **parent):
    """An HTTPRoute as KServe makes it."""
    owner = {"kind": "InferenceService", "name": "iris"}
    made = "2026-01-02T03:04:05Z"
    return {
        "metadata": {
            "namespace": within, "name": "iris", "creationTimestamp": made, "ownerReferences": [owner],
        },
        "spec": {"parentRefs": [PARENT | parent], "hostnames": list(names)},
    }  # fmt: skip


def check(route):
    """Ask for the legacy host beside another route."""
    require_free([route], PLACE, "iris", ["iris.new.example.com", LEGACY])


def test_a_name_of_kserves_own_route_is_refused():
    """The error says whose it is, since when, and where."""
    with pytest.raises(RefusedError) as refused:
        check(theirs("else.example.com", LEGACY))
    words = str(refused.value)
    for part in (LEGACY, "models/iris of InferenceService iris", "2026-01-02T03:04:05Z", "turnout/front"):
        assert part in words


@pytest.mark.parametrize("parent", [{"sectionName": "http"}, {"kind": "Gateway"}])
def test_a_route_of_the_same_listener_is_in_the_way(parent):
    """Named, or by default."""
    with pytest.raises(RefusedError):
        check(theirs(LEGACY, **parent))


@pytest.mark.parametrize(
    "parent",
    [{"name": "other"}, {"namespace": "other"}, {"sectionName": "https"}, {"kind": "Service"}],
)
def test_a_route_of_another_gateway_is_not(parent):
    """Nor one of another listener, or of a mesh."""
    check(theirs(LEGACY, **parent))


def test_a_gateway_without_a_namespace_is_in_the_routes_own():
    """As Gateway API has it."""
    route = theirs(LEGACY)
    route["spec"]["parentRefs"] = [{"name": "front"}]
    check(route)
    route["metadata"] |= {"namespace": "turnout", "name": "wine"}
    with pytest.raises(RefusedError, match="turnout/wine"):
        check(route)


def test_the_models_own_route_and_closer_or_wider_names_are_no_rivals():
    """An exact name is preferred to a wildcard, and to none."""
    own = theirs(LEGACY, within="turnout")
    for route in (own, theirs("*.example.com"), theirs("wine-models.example.com"), theirs()):
        check(route)


def registration(*names, host="legacy.models.svc"):
    """Iris, as it is registered."""
    stable = Backend(name="iris-legacy", host=host, port=80)
    return Registration(model="iris", listen_port=20_000, stable=stable, hostnames=names)


def test_a_route_answers_for_every_name_of_its_registration():
    """Without any, for the one that the Gateway's settings give."""
    assert deciding.found(PLACE, registration())["spec"]["hostnames"] == ["iris.new.example.com"]
    both = ("iris.new.example.com", LEGACY)
    assert deciding.found(PLACE, registration(*both))["spec"]["hostnames"] == list(both)


def test_who_knows_no_names_takes_none_away():
    """Retiring makes other servers the stable ones, and registers without names: clients keep theirs."""
    made = deciding.found(PLACE, registration(LEGACY))
    other = Place("turnout", "front", "http", "{model}.else.example.com")
    after = deciding.registered(made, other, registration(host="candidate.models.svc"))
    assert after["spec"]["hostnames"] == [LEGACY]
    assert deciding.registered(after, other, registration(host="candidate.models.svc")) is None
