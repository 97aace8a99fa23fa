import pytest

from turnout.domain.errors import InvalidInputError
from turnout.fabric.router.naming import check_attempt, check_model


@pytest.mark.parametrize("model", ["iris", "a", "a-1", "x" * 63])
def test_labels_are_names(model):
    """Every DNS-1123 label names a model, and its attempts count from 1."""
    assert check_model(model) == model
    assert check_attempt(model, f"{model}-12") == f"{model}-12"


@pytest.mark.parametrize("model", ["", ".", "..", "a/b", "A", "-a", "a-", "a\n", "a.b", "ä", "x" * 64, "a\0"])
def test_paths_are_not_names(model):
    """Nothing that could lead out of a folder, or break a line, passes."""
    with pytest.raises(InvalidInputError, match="DNS-1123"):
        check_model(model)


@pytest.mark.parametrize(
    "attempt", ["iris", "iris-", "iris-0", "iris-01", "iris-1x", "other-1", "iris-1/../x"]
)
def test_only_a_models_own_attempts_pass(attempt):
    """An attempt belongs to the model it is named after."""
    with pytest.raises(InvalidInputError, match="not an attempt of iris"):
        check_attempt("iris", attempt)
