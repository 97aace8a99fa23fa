"""What counts as reported by a Gateway's controller."""

import pytest

from turnout.domain.errors import RefusedError
from turnout.fabric.gateway_api.place import Place
from turnout.fabric.gateway_api.reports import Conditions

PLACE = Place("turnout", "front")
META = {"namespace": "turnout", "name": "iris", "generation": 3}


def condition(kind, status="True", generation=3, reason=""):
    """One condition, as a controller writes it."""
    return {
        "type": kind,
        "status": status,
        "observedGeneration": generation,
        "reason": reason,
        "message": "m",
    }


def route(*conditions, gateway="front"):
    """An HTTPRoute with what one Gateway's controller says of it."""
    parents = [{"parentRef": {"name": gateway}, "conditions": list(conditions)}]
    return {"kind": "HTTPRoute", "metadata": META, "status": {"parents": parents}}


def door(*conditions):
    """A door with what a Gateway's controller says of it."""
    ancestors = [{"ancestorRef": {"name": "front"}, "conditions": list(conditions)}]
    return {"kind": "EnvoyPatchPolicy", "metadata": META, "status": {"ancestors": ancestors}}


def test_the_very_generation_that_was_written_counts():
    """A word on an earlier state says nothing of this one; a later one is as good."""
    both = ("Accepted", "ResolvedRefs")
    for generation, done in ((2, False), (3, True), (4, True)):
        said = route(*(condition(kind, generation=generation) for kind in both))
        assert (Conditions(PLACE).lacking(said) is None) is done
    assert "ResolvedRefs" in Conditions(PLACE).lacking(route(condition("Accepted")))


def test_silence_and_other_gateways_words_are_awaited():
    """No status, or another Gateway's, is not yet."""
    other = route(condition("Accepted"), condition("ResolvedRefs"), gateway="other")
    for said in ({"kind": "HTTPRoute", "metadata": META}, route(), other):
        assert "Accepted of generation 3" in Conditions(PLACE).lacking(said)


def test_what_the_controller_does_not_take_is_said_at_once():
    """A refusal is an error with the controller's own words, never waited for."""
    with pytest.raises(RefusedError, match="ResolvedRefs: InvalidKind: m"):
        Conditions(PLACE).lacking(
            route(condition("Accepted"), condition("ResolvedRefs", "False", reason="InvalidKind"))
        )
    with pytest.raises(RefusedError, match="enableEnvoyPatchPolicy"):
        Conditions(PLACE).lacking(door(condition("Accepted", "False", reason="Disabled")))


def test_a_backend_that_the_controller_has_not_seen_yet_is_awaited():
    """It was written a moment before its route, and the controller hears of the two apart."""
    unseen = route(condition("Accepted"), condition("ResolvedRefs", "False", reason="BackendNotFound"))
    assert "ResolvedRefs: BackendNotFound: m" in Conditions(PLACE).lacking(unseen)


def test_a_door_is_reported_once_the_proxies_have_it():
    """Accepted alone is no door; a resource that is not there yet is awaited."""
    assert Conditions(PLACE).lacking(door(condition("Accepted"), condition("Programmed"))) is None
    awaited = door(condition("Accepted"), condition("Programmed", "False", reason="ResourceNotFound"))
    assert "ResourceNotFound" in Conditions(PLACE).lacking(awaited)
