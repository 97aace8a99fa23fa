import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from turnout.domain.contract import Bounds, Contract, Rollout, SameAnswer, Tensor
from turnout.domain.errors import InvalidInputError, NotFoundError
from turnout.fabric import contracts

TEXT = """\
model: iris
wire: v1
inputs:
  - {name: instances, datatype: FP64, shape: [-1, 4]}
outputs: []
same_answer:
  kind: labels
bounds:
  alpha: 0.05
rollout:
  steps: [0.1, 0.5]
policy:
  try_seconds: 2
"""

shares = st.floats(0.001, 0.9)


@settings(deadline=None)
@given(
    errors=shares,
    steps=st.lists(st.floats(0.01, 0.95), min_size=1, max_size=5, unique=True).map(sorted).map(tuple),
    kind=st.sampled_from(["labels", "probabilities", "regression"]),
    shape=st.lists(st.integers(-1, 100), max_size=3).map(tuple),
)
def test_what_is_written_is_read_again(tmp_path_factory, errors, steps, kind, shape):
    """An owner's file and the contract in force are the same, to the last digit."""
    contract = Contract(
        model="iris",
        wire="v2",
        inputs=(Tensor(name="x", datatype="FP32", shape=shape),),
        outputs=(),
        same_answer=SameAnswer(kind=kind),
        bounds=Bounds(errors=errors),
        rollout=Rollout(steps=steps),
    )
    folder = tmp_path_factory.mktemp("contracts")
    contracts.write(folder, contract)
    assert contracts.load(folder, "iris") == contract


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ("alpha: 0.05", "alpha: 5", 9, "bounds.alpha"),
        ("alpha: 0.05", "alpha: .nan", 9, "finite"),
        ("alpha: 0.05", "alpha: '0.05'", 9, "valid number"),
        ("alpha: 0.05", "alhpa: 0.05", 9, "bounds.alhpa is unknown"),
        ("alpha: 0.05", "slow_seconds: .inf", 9, "finite"),
        ("wire: v1", "wire: v3", 2, "'v1', 'v2' or 'openai'"),
        ("wire: v1", "", 1, "wire is missing"),
        ("[0.1, 0.5]", "[0.5, 0.1]", 11, "have to rise"),
        ("[0.1, 0.5]", "[0.5, 0.99]", 11, "up to 0.95"),
        ("[0.1, 0.5]", "[]", 11, "have to rise"),
        ("try_seconds", "try_second", 12, "unknown key 'try_second'"),
        ("try_seconds: 2", "try_seconds: 90", 1, "legacy gets no turn"),
        ("model: iris", "model: other", 1, "the contract of other"),
        ("kind: labels", "kind: words", 7, "same_answer.kind"),
        ("outputs: []", "outputs: [\n", 8, "not YAML"),
        ("[-1, 4]", "[-1, four]", 4, "shape"),
    ],
)
def test_a_wrong_contract_names_its_line(tmp_path, old, new, line, words):
    """A misspelled or impossible bound is one clear error; it never becomes a default."""
    (tmp_path / "iris.yaml").write_text(TEXT.replace(old, new))
    with pytest.raises(InvalidInputError, match=words) as raised:
        contracts.load(tmp_path, "iris")
    assert raised.value.subject == f"{tmp_path / 'iris.yaml'}:{line}"


def test_a_model_without_a_contract_is_not_found(tmp_path):
    """No contract is never an empty contract."""
    with pytest.raises(NotFoundError, match="contract of iris"):
        contracts.load(tmp_path, "iris")


@pytest.mark.parametrize("model", ["../iris", "Iris", "", "a/b", "a" * 64, "-a"])
def test_a_name_cannot_leave_the_folder(tmp_path, model):
    """A model's name is a name, not a path."""
    with pytest.raises(InvalidInputError, match="Kubernetes"):
        contracts.load(tmp_path, model)


@pytest.mark.parametrize("text", ["", TEXT + "---\n" + TEXT])
def test_a_file_holds_one_contract(tmp_path, text):
    """Which of two contracts holds is never guessed."""
    (tmp_path / "iris.yaml").write_text(text)
    with pytest.raises(InvalidInputError, match="documents"):
        contracts.load(tmp_path, "iris")


def test_one_wrong_contract_does_not_hide_the_others(tmp_path):
    """An estate's contracts are read one by one: the good ones, and a line for each that is wrong."""
    (tmp_path / "iris.yaml").write_text(TEXT)
    (tmp_path / "other.yaml").write_text("model: other\n")
    found, problems = contracts.load_all(tmp_path, ["iris", "other", "none"])
    assert list(found) == ["iris"]
    assert [problem.where for problem in problems] == [f"{tmp_path / 'other.yaml'}:1"]
