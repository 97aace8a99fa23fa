"""What is generated for each of Triton's backends, held against files that a person has read."""

from pathlib import Path

import pytest

from runtimes.triton import repository, server
from runtimes.triton.batching import Batching
from runtimes.triton.native import write_fil, write_torchscript
from turnout.domain.contract import AnswerKind, Contract, SameAnswer, Tensor, Transformer, Wire
from turnout.domain.errors import UnsupportedError

GOLDEN = Path(__file__).parent / "golden"
ROWS = Tensor(name="features", datatype="FP32", shape=(-1, 4))


def contract(kind, answered, **changes):
    """The contract of a model that answers so."""
    return Contract(
        model="m",
        wire=Wire.V2,
        inputs=(ROWS,),
        outputs=(Tensor(name="answer", datatype="FP32", shape=answered),),
        same_answer=SameAnswer(kind=kind),
        **changes,
    )


ONE, THREE = contract(AnswerKind.REGRESSION, (-1, 1)), contract(AnswerKind.PROBABILITIES, (-1, 3))


def ensemble(file, agreed, directory):
    """A transformer and its predictor, both sides."""
    code = file.with_name("transformer.py")
    code.write_text("def preprocess(x): ...\ndef postprocess(x): ...\n")
    inner = Transformer(file=code.name, input=ROWS.model_copy(update={"name": "x"}), output=agreed.outputs[0])
    told = agreed.model_copy(update={"transformer": inner})
    return repository.write_ensemble(file, code, told, directory)


def onnx(file, agreed, directory):
    """An ONNX model whose requests wait for company."""
    waiting = Batching(queue_delay_microseconds=500, preferred_batch_sizes=(32,))
    return repository.write_onnx(file, agreed, directory, waiting)


@pytest.mark.parametrize(
    ("backend", "write", "name", "agreed"),
    [
        ("onnxruntime", onnx, "model.onnx", ONE),
        ("fil", write_fil, "model.json", THREE),
        ("pytorch", write_torchscript, "model.pt", THREE),
        ("python", ensemble, "model.onnx", ONE),
    ],
)
def test_each_backends_repository_is_as_it_was_read(tmp_path, backend, write, name, agreed):
    """Every configuration and every file name; a change here is a change of what production loads."""
    (tmp_path / name).write_bytes(b"model")
    started = write(tmp_path / name, agreed, tmp_path / "package")
    root = tmp_path / "package" / "repository"
    assert started == {"repository": "repository", "model": "m", "backend": backend}
    found = "".join(
        f"=== {file.relative_to(root)}\n{file.read_text() if file.suffix == '.pbtxt' else ''}"
        for file in sorted(root.rglob("*"))
        if file.is_file()
    )
    assert found == (GOLDEN / f"{backend}.txt").read_text()


@pytest.mark.parametrize(
    ("agreed", "classifies", "probabilities"),
    [
        (ONE, "false", "false"),
        (contract(AnswerKind.PROBABILITIES, (-1, 1)), "false", "false"),
        (THREE, "true", "true"),
        (contract(AnswerKind.LABELS, (-1, 1)), "true", "false"),
    ],
)
def test_fil_answers_as_legacy_did(tmp_path, agreed, classifies, probabilities):
    """One number a row is `Booster.predict`'s own; classes and their probabilities are asked for by name."""
    (tmp_path / "model.ubj").write_bytes(b"model")
    write_fil(tmp_path / "model.ubj", agreed, tmp_path / "package")
    text = (tmp_path / "package/repository/m-fil/config.pbtxt").read_text().replace("\n", " ")
    for key, value in (("is_classifier", classifies), ("predict_proba", probabilities)):
        assert f'key: "{key}"   value {{     string_value: "{value}"' in text


def test_fil_takes_no_pickles_and_no_doubles(tmp_path):
    """It is said, instead of a repository that Triton does not load."""
    for name in ("model.joblib", "model.pkl"):
        with pytest.raises(UnsupportedError, match="json"):
            write_fil(tmp_path / name, ONE, tmp_path / "package")
    doubles = ONE.model_copy(update={"inputs": (ROWS.model_copy(update={"datatype": "FP64"}),)})
    with pytest.raises(UnsupportedError, match="FP32"):
        write_fil(tmp_path / "model.json", doubles, tmp_path / "package")


def test_a_handler_is_no_torchscript(tmp_path):
    """A MAR archive holds code; it is refused by its name."""
    with pytest.raises(UnsupportedError, match="TorchScript"):
        write_torchscript(tmp_path / "model.mar", ONE, tmp_path / "package")


def test_the_lab_refuses_what_its_triton_cannot_run(tmp_path):
    """FIL and PyTorch are not in the lab: named, with what there is, before a server is started."""
    (tmp_path / "model.json").write_bytes(b"model")
    write_fil(tmp_path / "model.json", ONE, tmp_path / "package")
    with pytest.raises(UnsupportedError, match=r"fil.*onnxruntime, python"):
        server.check(tmp_path / "package" / "repository")


def test_the_lab_runs_onnx_and_python(tmp_path):
    """An ensemble of both passes."""
    (tmp_path / "model.onnx").write_bytes(b"model")
    ensemble(tmp_path / "model.onnx", ONE, tmp_path / "package")
    server.check(tmp_path / "package" / "repository")
