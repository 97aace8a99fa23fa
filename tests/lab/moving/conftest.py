"""The lab's three quick models on their real legacy servers, with what packaging needs of earlier phases."""

import pytest

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
from turnout.fabric import environments


@pytest.fixture(scope="package")
def served() -> tuple[str, ...]:
    """One V2 model and two V1 models."""
    return ("iris", "diabetes", "cancer")


@pytest.fixture(scope="package")
def golden_requests() -> int:
    """Every class and more, in little time."""
    return 40


@pytest.fixture(scope="package", autouse=True)
def _converter() -> None:
    """The environment that converts, built before any test is timed."""
    environments.ensure("convert")
