import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from turnout.domain.quantity import amount


@pytest.mark.parametrize(
    ("quantity", "expected"),
    [
        ("1", 1),
        ("500m", 0.5),
        ("2Gi", 2 * 2**30),
        ("1.5M", 1.5e6),
        ("1e3", 1e3),
        ("2E", 2e18),
        ("0", 0),
        (".5", 0.5),
    ],
)
def test_quantities_mean_what_kubernetes_means(quantity, expected):
    """Suffixes of ten, of two, and exponents."""
    assert amount(quantity) == pytest.approx(expected)


@pytest.mark.parametrize(
    "quantity", ["", "two", "-1", "1Xi", "1KI", "1 Gi", "1e999", "9" * 400, "nan", "1m1"]
)
def test_anything_else_is_refused(quantity):
    """A quantity that Kubernetes would refuse is refused."""
    with pytest.raises(ValueError, match="Kubernetes"):
        amount(quantity)


@settings(deadline=None)
@given(text=st.text(max_size=12))
def test_no_text_gives_anything_but_a_number_or_a_refusal(text):
    """Hostile text never gives an infinite or negative need."""
    try:
        found = amount(text)
    except ValueError:
        return
    assert 0 <= found < 1e120
