import pytest

from turnout.domain.errors import InvalidInputError
from turnout.fabric import prices


def test_prices_are_read_by_pool_and_by_instance_type(tmp_path):
    """What the user wrote is what a node costs; what they did not write is unknown."""
    file = tmp_path / "prices.yaml"
    file.write_text("pools: {gpu: 3.67}\ninstance_types: {g5.xlarge: 1.0}\n")
    found = prices.read(file)
    assert (found.of("gpu", "g5.xlarge"), found.of("x", "g5.xlarge"), found.of("x", None)) == (
        3.67,
        1.0,
        None,
    )


def test_a_wrong_price_names_its_line(tmp_path):
    """A negative price is a slip of the pen, not a gift."""
    file = tmp_path / "prices.yaml"
    file.write_text("pools:\n  gpu: -1\n")
    with pytest.raises(InvalidInputError, match=r"prices.yaml:2"):
        prices.read(file)
