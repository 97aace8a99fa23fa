import pytest
from click.testing import CliRunner

from turnout.cli.package import command
from turnout.domain.contract import AnswerKind, Contract, SameAnswer, Tensor
from turnout.domain.errors import InvalidInputError
from turnout.fabric import contracts


@pytest.fixture
def contract(tmp_path):
    """The file of a contract that FIL and PyTorch can serve."""
    agreed = Contract(
        model="forest", wire="v2",
        inputs=(Tensor(name="features", datatype="FP32", shape=(-1, 4)),),
        outputs=(Tensor(name="answer", datatype="FP32", shape=(-1, 1)),),
        same_answer=SameAnswer(kind=AnswerKind.REGRESSION),
    )  # fmt: skip
    return contracts.write(tmp_path / "contracts", agreed)


@pytest.mark.parametrize(("name", "backend"), [("model.json", "fil"), ("model.pt", "pytorch")])
def test_a_repository_is_written_and_nothing_more_is_claimed(tmp_path, contract, name, backend):
    """By the file's ending; the line says that it is not proved."""
    (tmp_path / name).write_bytes(b"model")
    arguments = ["native", str(tmp_path / name), "--contract", str(contract), "--to", str(tmp_path / "out")]
    done = CliRunner().invoke(command, arguments, catch_exceptions=False)
    assert f"backend {backend}" in done.output
    assert "not proved" in done.output
    configured = tmp_path / "out" / "repository" / f"forest-{backend}" / "config.pbtxt"
    assert f'backend: "{backend}"' in configured.read_text()


def test_what_is_in_a_folder_is_not_replaced(tmp_path, contract):
    """Another folder has to be named."""
    (tmp_path / "model.pt").write_bytes(b"model")
    arguments = ["native", str(tmp_path / "model.pt"), "--contract", str(contract), "--to", str(tmp_path)]
    with pytest.raises(InvalidInputError, match="other files"):
        CliRunner().invoke(command, arguments, catch_exceptions=False)
