"""A transformer and its predictor become one ensemble that clients call by the model's name."""

import pytest
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2 as pb

from runtimes.triton.repository import functions, predictor, write_ensemble
from turnout.domain.contract import AnswerKind, Contract, SameAnswer, Tensor, Transformer, Wire
from turnout.domain.errors import InvalidInputError, UnsupportedError

BOTH = "def preprocess(x):\n    return x\n\n\ndef postprocess(x):\n    return x\n"
CONTRACT = Contract(
    model="digits",
    wire=Wire.V1,
    inputs=(Tensor(name="instances", datatype="FP64", shape=(-1, 8, 8)),),
    outputs=(Tensor(name="predictions", datatype="INT64", shape=(-1,)),),
    same_answer=SameAnswer(kind=AnswerKind.LABELS),
    transformer=Transformer(
        file="transformer.py",
        input=Tensor(name="features", datatype="FP32", shape=(-1, 64)),
        output=Tensor(name="scores", datatype="FP32", shape=(-1, 10)),
    ),
)


@pytest.fixture
def laid_out(tmp_path):
    """Lays an ensemble out from the text of a transformer; its configurations by model."""

    def lay_out(text, contract=CONTRACT):
        (tmp_path / "model.onnx").write_bytes(b"onnx")
        (tmp_path / "transformer.py").write_text(text)
        package = tmp_path / "package"
        started = write_ensemble(tmp_path / "model.onnx", tmp_path / "transformer.py", contract, package)
        assert started == {"repository": "repository", "model": "digits", "backend": "python"}
        files = (package / "repository").glob("*/config.pbtxt")
        return {f.parent.name: text_format.Parse(f.read_text(), pb.ModelConfig()) for f in files}

    return lay_out


def test_the_ensemble_wears_the_contracts_tensors(laid_out):
    """Clients and the bridge see the model's own name and tensors, a flat answer as a column."""
    whole = laid_out(BOTH)["digits"]
    assert whole.platform == "ensemble"
    assert [(t.name, t.data_type, list(t.dims)) for t in whole.input] == [("instances", pb.TYPE_FP64, [8, 8])]
    assert [(t.name, t.data_type, list(t.dims)) for t in whole.output] == [
        ("predictions", pb.TYPE_INT64, [1])
    ]


def test_each_step_takes_what_the_one_before_it_made(laid_out):
    """The chain begins at the input, ends at the output, and no tensor is made twice."""
    steps = laid_out(BOTH)["digits"].ensemble_scheduling.step
    assert [s.model_name for s in steps] == ["digits-preprocess", "digits-predictor", "digits-postprocess"]
    made = ["instances"]
    for step in steps:
        assert list(step.input_map.values()) == [made[-1]]
        made += step.output_map.values()
    assert made[-1] == "predictions"
    assert len(set(made)) == len(made)


def test_every_step_is_a_model_with_its_own_tensors(laid_out, tmp_path):
    """The maps name tensors that the models have, and each model's folder holds what its backend loads."""
    found = laid_out(BOTH)
    for step in found["digits"].ensemble_scheduling.step:
        model = found[step.model_name]
        assert set(step.input_map) == {t.name for t in model.input}
        assert set(step.output_map) == {t.name for t in model.output}
        version = tmp_path / "package" / "repository" / step.model_name / "1"
        wanted = {"onnxruntime": {"model.onnx"}, "python": {"model.py", "transformer.py"}}[model.backend]
        assert {file.name for file in version.iterdir()} == wanted
    assert (tmp_path / "package" / "repository" / "digits" / "1").is_dir()


@pytest.mark.parametrize("name", ["preprocess", "postprocess"])
def test_one_side_alone_is_an_ensemble_too(laid_out, name):
    """What the file does not define is left out; the ends still wear the contract's tensors."""
    found = laid_out(f"def {name}(x):\n    return x\n")
    steps = found["digits"].ensemble_scheduling.step
    assert {s.model_name for s in steps} == {f"digits-{name}", "digits-predictor"}
    assert list(steps[0].input_map.values()) == ["instances"]
    assert list(steps[-1].output_map.values()) == ["predictions"]


@pytest.mark.parametrize("text", ["x = 1\n", "def preprocess(:\n", "import os\nos._exit(1)\n"])
def test_a_file_without_either_function_is_refused_and_never_run(laid_out, text):
    """The owner's code runs in the runtime alone; here it is read."""
    with pytest.raises(InvalidInputError, match="preprocess or postprocess"):
        laid_out(text)


def test_a_transformer_of_several_tensors_is_unsupported(laid_out):
    """It is said, instead of moving half of it."""
    two = CONTRACT.model_copy(update={"inputs": CONTRACT.inputs * 2})
    with pytest.raises(UnsupportedError, match="2 inputs"):
        laid_out(BOTH, two)


def test_the_predictor_is_proved_by_its_own_tensors():
    """Behind a transformer the predictor's contract is what the transformer calls."""
    inner = predictor(CONTRACT)
    assert [t.name for t in (*inner.inputs, *inner.outputs)] == ["features", "scores"]
    assert inner.transformer is None


def test_functions_are_found_at_the_top_of_the_file(tmp_path):
    """A method of the same name is no step."""
    file = tmp_path / "transformer.py"
    file.write_text("class A:\n    def preprocess(self): ...\n\ndef postprocess(x): ...\n")
    assert functions(file) == ("postprocess",)
