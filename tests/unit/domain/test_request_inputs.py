import pytest

from turnout.domain.request_inputs import MOST_INPUTS, inputs_of, nulls_in


@pytest.mark.parametrize(
    ("request_", "inputs"),
    [
        ({"instances": [[1, 2.5], [3, None]]}, {"instances.0": [1, 3], "instances.1": [2.5, None]}),
        ({"instances": ["a text", "another"]}, {"instances": ["a text", "another"]}),
        ({"instances": [{"age": 3, "name": "x"}]}, {"instances.age": [3], "instances.name": ["x"]}),
        (
            {"inputs": [{"name": "x", "shape": [2, 2], "data": [1, 2, 3, 4]}]},
            {"x.0": [1, 3], "x.1": [2, 4]},
        ),
        (
            {"inputs": [{"name": "x", "shape": [2, 2], "data": [[1, 2], [3, 4]]}]},
            {"x.0": [1, 3], "x.1": [2, 4]},
        ),
        ({"inputs": [{"name": "text", "shape": [2], "data": ["a", "b"]}]}, {"text": ["a", "b"]}),
        ({"inputs": [{"name": "x", "shape": [2, 2], "data": [1, 2, 3]}]}, {"x": [1, 2, 3]}),
        (
            {"model": "m", "messages": [{"role": "a", "content": "hi"}, {"role": "b", "content": "ho"}]},
            {"model": ["m"], "messages.role": ["a", "b"], "messages.content": ["hi", "ho"]},
        ),
        ("bare", {"request": ["bare"]}),
        ({}, {}),
    ],
)  # fmt: skip
def test_inputs_are_told_apart_by_name(request_, inputs):
    """Whatever protocol the clients speak, each input has its name and its values."""
    assert inputs_of(request_) == inputs


def test_a_picture_is_one_input():
    """Thousands of columns help nobody: a long vector is taken together."""
    wide = [[0.5] * (MOST_INPUTS + 1)]
    assert set(inputs_of({"instances": wide})) == {"instances"}
    tensor = {"name": "x", "shape": [1, MOST_INPUTS + 1], "data": wide[0]}
    assert set(inputs_of({"inputs": [tensor]})) == {"x"}


def test_nulls_are_counted_wherever_they_are():
    """Nested or not."""
    assert nulls_in({"a": [None, 1, {"b": None}]}) == 2
