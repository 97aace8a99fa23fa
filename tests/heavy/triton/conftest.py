"""The models of the full portfolio that go to Triton, on their legacy servers, discovered and planned."""

import pytest

from tests.heavy.broken import broken  # noqa: F401 -- a fixture
from tests.served_estate import (  # noqa: F401 -- fixtures
    _in_force,
    asked,
    chosen_ports,
    golden,
    legacy,
    packaged_once,
    ray,
    rows,
    servers,
    state,
    wiring,
)


@pytest.fixture(scope="package")
def served() -> tuple[str, ...]:
    """An ONNX model, a transformer with its predictor, a text pipeline."""
    return ("wine", "digits", "topics")


@pytest.fixture(scope="package")
def golden_requests() -> int:
    """Every class and more, in little time."""
    return 60
