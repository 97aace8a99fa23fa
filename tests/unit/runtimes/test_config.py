"""A model's config.pbtxt says what its contract says."""

import pytest
from google.protobuf import text_format
from hypothesis import given
from hypothesis import strategies as st
from tritonclient.grpc import model_config_pb2 as pb

from runtimes.triton.config import MAX_BATCH_SIZE, model_config, of, render, served
from turnout.domain.contract import AnswerKind, Contract, SameAnswer, Tensor, Wire
from turnout.domain.errors import UnsupportedError


def contract(wire: Wire, given: Tensor, answered: Tensor) -> Contract:
    """A contract of these tensors."""
    same = SameAnswer(kind=AnswerKind.REGRESSION)
    return Contract(model="iris", wire=wire, inputs=(given,), outputs=(answered,), same_answer=same)


ROWS = Tensor(name="features", datatype="FP64", shape=(-1, 4))
COLUMN = Tensor(name="predict", datatype="FP32", shape=(-1, 1))
FLAT = Tensor(name="predictions", datatype="INT64", shape=(-1,))


def test_a_v2_model_is_served_with_the_contracts_tensors():
    """Name, type and dimensions behind the batch; batched, on the CPU, warmed up."""
    config = model_config(of(contract(Wire.V2, ROWS, COLUMN)))
    assert (config.name, config.backend, config.max_batch_size) == ("iris", "onnxruntime", MAX_BATCH_SIZE)
    (given,), (answered,) = config.input, config.output
    assert (given.name, given.data_type, list(given.dims)) == ("features", pb.TYPE_FP64, [4])
    assert (answered.name, answered.data_type, list(answered.dims)) == ("predict", pb.TYPE_FP32, [1])
    assert config.HasField("dynamic_batching")
    assert config.instance_group[0].kind == pb.ModelInstanceGroup.KIND_CPU
    assert list(config.model_warmup[0].inputs["features"].dims) == [4]


def test_a_v1_clients_flat_answer_is_served_as_a_column():
    """Triton batches a column; the V1 client, who sees no tensors, gets the flat list from the bridge."""
    assert served(FLAT, Wire.V1).shape == (-1, 1)
    config = model_config(of(contract(Wire.V1, ROWS, FLAT)))
    assert list(config.output[0].dims) == [1]
    assert config.max_batch_size == MAX_BATCH_SIZE


def test_a_v2_clients_flat_answer_stays_flat():
    """A V2 client sees the shape: it is kept, at the cost of batching."""
    assert served(FLAT, Wire.V2) == FLAT
    config = model_config(of(contract(Wire.V2, ROWS, FLAT)))
    assert (list(config.input[0].dims), list(config.output[0].dims)) == ([-1, 4], [-1])
    assert config.max_batch_size == 0
    assert not config.HasField("dynamic_batching")
    assert list(config.model_warmup[0].inputs["features"].dims) == [1, 4]


def test_an_unknown_data_type_is_refused():
    """The error names the tensor and what it says."""
    with pytest.raises(UnsupportedError, match=r"features.*FLOAT"):
        model_config(of(contract(Wire.V2, ROWS.model_copy(update={"datatype": "FLOAT"}), COLUMN)))


@given(
    datatype=st.sampled_from(["FP32", "FP64", "INT32", "INT64", "BOOL", "BYTES"]),
    shape=st.lists(st.integers(1, 50), min_size=0, max_size=3),
    wire=st.sampled_from(Wire),
)
def test_what_is_rendered_is_read_back(datatype, shape, wire):
    """Whatever the tensors, config.pbtxt is valid and says the same."""
    tensor = Tensor(name="x-0", datatype=datatype, shape=(-1, *shape))
    made = model_config(of(contract(wire, tensor, tensor)))
    assert text_format.Parse(render(made), pb.ModelConfig()) == made
