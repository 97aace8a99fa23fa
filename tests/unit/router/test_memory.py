"""The fake router under every order of calls: what the flows and the sentinel rely on."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from turnout.domain.errors import RefusedError
from turnout.domain.route import CONTROL_SHARE, Backend, Opening, Registration, RouteChange
from turnout.fabric.router.memory import MemoryRouter

NUMBERS = st.integers(1, 3)
WEIGHTS = st.floats(0.01, 1 - CONTROL_SHARE)


class Routes(RuleBasedStateMachine):
    """One model, three attempts, and whoever opens, raises and ends them."""

    @initialize()
    def begin(self):
        """A registered model."""
        self.router = MemoryRouter()
        stable = Backend(name="iris-legacy", port=9)
        self.router.register(Registration(model="iris", listen_port=1, stable=stable))
        self.ended: dict[int, str] = {}
        self.versions: dict[str, tuple] = {}

    @rule(number=NUMBERS)
    def open(self, number):
        """An opening succeeds unless its attempt is over or another one is live."""
        before = self.router.read("iris")
        opening = Opening(model="iris", attempt=f"iris-{number}", candidate=Backend(name="c", port=9))
        if number in self.ended or before.attempt not in (None, f"iris-{number}"):
            with pytest.raises(RefusedError):
                self.router.open(opening)
            assert self.router.read("iris") == before
        else:
            assert self.router.open(opening).attempt == f"iris-{number}"

    @rule(number=NUMBERS, weight=WEIGHTS, stale=st.booleans())
    def raise_weight(self, number, weight, stale):
        """A raise succeeds for the live attempt and the state that was read."""
        read = self.router.read("iris")
        version = "stale" if stale else read.version
        change = RouteChange(model="iris", attempt=f"iris-{number}", read_version=version, weight=weight)
        if stale or read.attempt != f"iris-{number}":
            with pytest.raises(RefusedError):
                self.router.change(change)
            assert self.router.read("iris") == read
        else:
            assert self.router.change(change).weight == weight

    @rule(number=NUMBERS, reason=st.text(min_size=1, max_size=5))
    def roll_back(self, number, reason):
        """A rollback always succeeds, and its first reason stands."""
        first = self.ended.setdefault(number, reason)
        assert self.router.roll_back("iris", f"iris-{number}", reason=reason, by="x").reason == first

    @invariant()
    def what_has_ended_has_no_traffic(self):
        """No attempt comes back."""
        route = self.router.read("iris")
        assert route.attempt not in {f"iris-{number}" for number in self.ended}
        assert route.attempt is not None or route.weight == 0
        assert route.weight <= 1 - CONTROL_SHARE

    @invariant()
    def a_version_names_one_state(self):
        """Two states never share a version."""
        route = self.router.read("iris")
        state = (route.attempt, route.weight, route.capture_share)
        assert self.versions.setdefault(route.version, state) == state


Routes.TestCase.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
TestRoutes = Routes.TestCase
