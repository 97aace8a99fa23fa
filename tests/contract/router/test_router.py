"""What every router promises; the fake and the real one keep it alike."""

import threading

import pytest

from turnout.domain.errors import InvalidInputError, NotFoundError, RefusedError, TurnoutError
from turnout.domain.route import Backend, Opening, Route, RouteChange, Router


def raise_to(router: Router, route: Route, weight: float, **more) -> Route:
    """Change the weight of the attempt and the state that a route names."""
    change = RouteChange(
        model=route.model, attempt=route.attempt, read_version=route.version, weight=weight, **more
    )
    return router.change(change)


def test_a_registered_model_has_everything_on_legacy(router, model):
    """Registering moves no traffic, and doing it again changes nothing."""
    first = router.register(model.registration)
    assert (first.weight, first.attempt, first.candidate) == (0.0, None, None)
    assert first.stable == model.registration.stable
    assert router.register(model.registration) == first == router.read(model.name)


def test_a_legacy_server_may_move(router, model):
    """Registering with another address makes the router follow it."""
    router.register(model.registration)
    moved = model.registration.stable.model_copy(update={"port": 10})
    router.register(model.registration.model_copy(update={"stable": moved}))
    assert router.read(model.name).stable == moved


def test_an_unknown_model_is_an_error(router, model):
    """Nothing is made up for a model that was never registered."""
    change = RouteChange(model=model.name, attempt=None, read_version="x", capture_share=0.1)
    for call in (
        lambda: router.read(model.name),
        lambda: router.open(model.opening()),
        lambda: router.change(change),
        lambda: router.tombstone(model.name, f"{model.name}-1"),
        lambda: router.under_way(model.name, f"{model.name}-1"),
        lambda: router.roll_back(model.name, f"{model.name}-1", reason="x", by="x"),
    ):
        with pytest.raises(NotFoundError, match=model.name):
            call()


def test_opening_gives_no_traffic_and_is_repeatable(router, model):
    """A new attempt is live at weight 0; opening it again does nothing."""
    router.register(model.registration)
    route = router.open(model.opening())
    assert (route.attempt, route.weight) == (f"{model.name}-1", 0.0)
    assert route.candidate == model.opening().candidate
    raised = raise_to(router, route, 0.3)
    assert router.open(model.opening()) == raised == router.read(model.name)
    assert router.under_way(model.name, f"{model.name}-1") == 0


def test_a_live_candidate_may_move(router, model):
    """A candidate that was started again elsewhere keeps its attempt and its weight."""
    router.register(model.registration)
    raised = raise_to(router, router.open(model.opening()), 0.2)
    moved = router.open(model.opening(port=11))
    assert (moved.candidate.port, moved.weight, moved.version) == (11, 0.2, raised.version)


def test_only_one_attempt_is_live(router, model):
    """A second attempt is refused while the first one lives."""
    router.register(model.registration)
    route = router.open(model.opening(1))
    with pytest.raises(RefusedError, match="is live"):
        router.open(model.opening(2))
    assert router.read(model.name) == route


def test_a_change_names_the_state_that_it_read(router, model):
    """Of two decisions made on the same state, the second is refused."""
    router.register(model.registration)
    read = router.open(model.opening())
    raised = raise_to(router, read, 0.1, step_lease_seconds=60)
    assert (raised.weight, raised.step_lease_seconds) == (0.1, 60)
    assert raised.version != read.version
    with pytest.raises(RefusedError, match=raised.version):
        raise_to(router, read, 0.9)
    assert router.read(model.name) == raised


def test_a_change_of_capture_leaves_the_weight_and_its_lease(router, model):
    """Capture, with and without an attempt, is changed on its own."""
    stable = router.register(model.registration)
    captured = router.change(
        RouteChange(model=model.name, attempt=None, read_version=stable.version, capture_share=0.4)
    )
    assert (captured.capture_share, captured.weight) == (0.4, 0.0)
    opened = router.open(model.opening())
    assert opened.capture_share == 0.4
    raised = raise_to(router, opened, 0.2, step_lease_seconds=60)
    change = RouteChange(
        model=model.name, attempt=raised.attempt, read_version=raised.version, capture_share=1.0
    )
    last = router.change(change)
    assert (last.capture_share, last.weight, last.step_lease_seconds) == (1.0, 0.2, 60)


def test_a_weight_needs_a_live_attempt(router, model):
    """Neither a route without an attempt nor another attempt's name can raise a weight."""
    stable = router.register(model.registration)
    with pytest.raises(RefusedError, match="without an attempt"):
        raise_to(router, stable, 0.1)
    opened = router.open(model.opening())
    for attempt in (None, f"{model.name}-2"):
        change = RouteChange(model=model.name, attempt=attempt, read_version=opened.version, weight=0.5)
        with pytest.raises(RefusedError, match="live attempt"):
            router.change(change)
    assert router.read(model.name) == opened


def test_a_rollback_ends_the_attempt_for_good(router, model):
    """After a rollback no write lifts the tombstone; going again takes a new attempt."""
    router.register(model.registration)
    raised = raise_to(router, router.open(model.opening()), 0.5)
    made = router.roll_back(model.name, raised.attempt, reason="errors", by="sentinel")
    assert (made.reason, made.by, made.attempt) == ("errors", "sentinel", raised.attempt)
    assert router.tombstone(model.name, raised.attempt) == made
    now = router.read(model.name)
    assert (now.attempt, now.weight, now.candidate) == (None, 0.0, None)
    with pytest.raises(RefusedError, match="live attempt: none"):
        raise_to(router, raised, 0.6)
    with pytest.raises(RefusedError, match="errors"):
        router.open(model.opening())
    assert router.read(model.name) == now
    assert router.open(model.opening(2)).attempt == f"{model.name}-2"


def test_repeating_a_rollback_is_harmless(router, model):
    """The first reason stands, and an attempt that came later is left alone."""
    router.register(model.registration)
    first = router.open(model.opening(1))
    made = router.roll_back(model.name, first.attempt, reason="first", by="ana")
    second = raise_to(router, router.open(model.opening(2)), 0.25)
    assert router.roll_back(model.name, first.attempt, reason="second", by="bo") == made
    assert router.read(model.name) == second
    assert router.tombstone(model.name, second.attempt) is None


def test_an_attempt_can_end_before_it_opens(router, model):
    """A rollback that comes first wins over an opening that comes late."""
    before = router.register(model.registration)
    made = router.roll_back(model.name, f"{model.name}-1", reason="too early", by="ana")
    with pytest.raises(RefusedError, match="too early"):
        router.open(model.opening(1))
    assert router.read(model.name) == before
    assert router.tombstone(model.name, f"{model.name}-1") == made


@pytest.mark.parametrize("bad", ["../other-1", "iris", "iris-0", "iris-1/..", "iris-x", "", ".", "iris-1\n"])
def test_names_that_are_no_names_are_refused(router, model, bad):
    """No name reaches a path or Envoy's configuration unchecked."""
    router.register(model.registration)
    opening = Opening(model=model.name, attempt=bad, candidate=Backend(name="x", port=9))
    with pytest.raises(InvalidInputError):
        router.open(opening)
    with pytest.raises(InvalidInputError):
        router.roll_back(model.name, bad, reason="x", by="x")
    with pytest.raises(InvalidInputError):
        router.read(f"../{model.name}")


def test_a_rollback_wins_over_raises_that_race_it(router, model):
    """Whatever raises run at the same moment, traffic is on legacy after a rollback, and stays there."""
    router.register(model.registration)
    opened = router.open(model.opening())
    begun, stop = threading.Event(), threading.Event()

    def keep_raising() -> None:
        while not stop.is_set():
            try:
                route = router.read(model.name)
                begun.set()
                raise_to(router, route.model_copy(update={"attempt": opened.attempt}), 0.5)
            except TurnoutError:
                continue

    writers = [threading.Thread(target=keep_raising) for _ in range(2)]
    for writer in writers:
        writer.start()
    begun.wait(5)
    router.roll_back(model.name, opened.attempt, reason="race", by="test")
    seen = [router.read(model.name) for _ in range(50)]
    stop.set()
    for writer in writers:
        writer.join(30)
    seen.append(router.read(model.name))
    assert {(route.attempt, route.weight) for route in seen} == {(None, 0.0)}
