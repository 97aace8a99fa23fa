import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnout.domain.errors import InvalidInputError
from turnout.domain.requests import Arm
from turnout.fabric.router.route_name import RouteName, parse


@given(
    arm=st.sampled_from(Arm),
    number=st.one_of(st.none(), st.integers(1, 99)),
    weight=st.integers(0, 1000).map(lambda n: n / 1000),
    captured=st.booleans(),
)
def test_a_route_name_is_read_back_as_it_was_written(arm, number, weight, captured):
    """Telemetry and capture learn from the name exactly what the router was told."""
    attempt = None if number is None else f"iris-{number}"
    name = RouteName(arm, "iris", attempt, f"{attempt or 'legacy'}.3", weight, captured)
    assert parse(str(name)) == name


@pytest.mark.parametrize(
    "text", ["", "legacy", "other;model=a;attempt=-;version=x;weight=0;captured=no", "-"]
)
def test_a_foreign_route_name_is_refused(text):
    """A name that is not ours is never taken for an arm."""
    with pytest.raises(InvalidInputError, match="not readable"):
        parse(text)
