import pytest

from turnout.domain.errors import InvalidInputError
from turnout.domain.risk import risk
from turnout.domain.weights import DEFAULT
from turnout.domain.workload import Workload
from turnout.fabric import weights


def test_the_file_that_is_shipped_says_every_default():
    """Who copies the file changes nothing until they edit it, and finds everything that can be edited."""
    shipped = weights.read(weights.SHIPPED)
    assert shipped == DEFAULT
    text = weights.SHIPPED.read_text()
    for part in DEFAULT.model_dump().values():
        assert all(f"{name}:" in text for name in part)


def test_what_a_file_leaves_out_keeps_its_default(tmp_path):
    """A file of one line changes one thing, and what is decided by it."""
    file = tmp_path / "weights.yaml"
    file.write_text("risk_points: {custom_container: 100}\n")
    found = weights.read(file)
    assert found.traffic == DEFAULT.traffic
    assert risk(Workload(name="m", framework="custom"), found).points >= 100
    assert weights.read(None) == DEFAULT


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("risk_points:\n  custom: 6\n", r"weights.yaml:2.*custom"),
        ("risk_points:\n  explainer: many\n", r"weights.yaml:2"),
        ("traffic:\n  low_below: 20\n", r"low_below \(20\) is above high_from"),
        ("risk_groups: {low_up_to: 9}\n", r"below low_up_to"),
    ],
)
def test_a_wrong_weight_names_its_line(tmp_path, text, words):
    """A slip of the pen is told with its place, and nothing is weighed by it."""
    file = tmp_path / "weights.yaml"
    file.write_text(text)
    with pytest.raises(InvalidInputError, match=words):
        weights.read(file)
