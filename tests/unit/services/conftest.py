import pytest

from turnout.domain.contract import AnswerKind, Bounds, Contract, Rollout, SameAnswer, Wire
from turnout.domain.requests import Arm
from turnout.domain.route import Backend, Route, RoutePolicy
from turnout.services.shadow.exchange import Exchange, Origin


@pytest.fixture
def contract():
    """A V1 regressor's contract."""
    return Contract(
        model="iris",
        wire=Wire.V1,
        inputs=(),
        outputs=(),
        same_answer=SameAnswer(kind=AnswerKind.REGRESSION, absolute_tolerance=0.01),
        bounds=Bounds(errors=0.02, slow=0.05, differs=0.02, slow_seconds=0.5),
        rollout=Rollout(noise_share=1.0, shadow_samples=60),
        policy=RoutePolicy(),
    )


@pytest.fixture
def make_exchange():
    """Make an exchange that an arm answered with a number."""

    def make(arm=Arm.LEGACY, *, answer=b'{"predictions": [1.0]}', answered_by=None, **changes):
        attempt = changes.pop("attempt", "iris-1")
        parts = {
            "started_seconds": 100.0,
            "duration_seconds": 0.01,
            "method": "POST",
            "path": "/v1/models/iris:predict",
            "headers": {"content-type": "application/json"},
            "request": b'{"instances": [[1]]}',
            "status": 200,
            "response": answer,
        } | changes
        return Exchange(origin=Origin("iris", attempt, arm, answered_by or arm), **parts)

    return make


@pytest.fixture
def make_route():
    """Make a route with a live attempt."""

    def make(**changes):
        parts = {
            "model": "iris",
            "version": "iris-1.1",
            "stable": Backend(name="iris-legacy", port=1),
            "candidate": Backend(name="iris-1", port=2),
            "attempt": "iris-1",
        } | changes
        return Route(**parts)

    return make
