"""Broken candidates are stopped before any client meets them, with the examples that differ.

Twice: in the package, on the golden set, and in serving, by the shadow test's own judgement of real answers.
One that differs by noise alone is not stopped.
"""

import json
import subprocess
import time

import numpy as np
import pytest

from runtimes.triton import trial
from runtimes.wire import Reply
from tests.heavy.broken import compared, replaced, stopped_in_package, stopped_in_shadow
from turnout.domain import shadowing
from turnout.domain.evidence import Verdict
from turnout.fabric import environments
from turnout.lab import faults
from turnout.lab.faults import Broken

REPLAYS = 240
REORDER = """
import sys, onnx
from onnx import TensorProto, helper
model = onnx.load(sys.argv[1])
(output,) = model.graph.output
for node in model.graph.node:
    node.output[:] = ["inner" if name == output.name else name for name in node.output]
model.graph.initializer.append(helper.make_tensor("order", TensorProto.INT64, [3], [1, 2, 0]))
model.graph.node.append(helper.make_node("Gather", ["inner", "order"], [output.name], axis=1))
onnx.save_model(model, sys.argv[1])
"""


@pytest.mark.broken(Broken.WRONG_CLASS_ORDER)
def test_classes_in_another_order_are_stopped_on_the_golden_set(broken):
    """The columns of an ONNX model were permuted: well-formed, sums to one, and wrong."""
    python = environments.ensure("convert") / "bin" / "python"
    evidence = broken(
        "wine", "model.onnx", lambda file: subprocess.run([python, "-c", REORDER, file], check=True)
    )
    stopped_in_package(evidence)


@pytest.mark.broken(Broken.ROUNDED_PREPROCESSING)
def test_a_preprocessing_that_rounds_is_stopped_on_the_golden_set(broken):
    """One line of the transformer rounds to one decimal: no answer is absurd, and each is a little off."""
    stopped_in_package(
        broken(
            "digits",
            "transformer.py",
            lambda file: replaced(file, "return stretched.reshape", "return stretched.round(1).reshape"),
        )
    )


@pytest.fixture
def judged(wiring, state, packaged_once, rows, asked):
    """Replays a model's requests to a Triton with a fault in it, and judges them as the shadow test does."""

    def judge(model, fault, changed=lambda answer: answer):
        attempt, contract = packaged_once(model).attempt, wiring.contract(model)
        if fault:
            faults.put(state.root, trial.server_name(attempt), fault)
        try:
            with wiring.triton._trial(contract, state.work / "packages" / attempt) as candidate:
                bodies = [asked(model, row) for row in (rows(model) * 4)[:REPLAYS]]
                found = [
                    replay(contract, candidate, number, body, changed) for number, body in enumerate(bodies)
                ]
        finally:
            faults.lift(state.root, trial.server_name(attempt))
        return shadowing.judge(contract, found)

    def replay(contract, candidate, number, body, changed):
        legacy = (wiring.legacy.predict(contract, body), wiring.legacy.predict(contract, body))
        began = time.monotonic()
        new = json.dumps(changed(candidate.answer(json.loads(body)))).encode()
        return compared(contract, number, body, legacy, Reply(200, new, time.monotonic() - began))

    return judge


@pytest.mark.parametrize(
    ("model", "fault"),
    [
        ("wine", "reversed_classes"),
        ("digits", "reversed_classes"),
        ("digits", "rounded_features"),
        ("wine", "rounded_features"),
    ],
)
def test_what_goes_wrong_in_serving_is_stopped_in_shadow(judged, model, fault):
    """The package was proved, its server was not: the shadow test fails, with requests and both answers."""
    examples = stopped_in_shadow(judged(model, fault))
    assert all(one["old"] != one["new"] for one in examples)


def noisy(answer):
    """The same answer from other hardware: the last digits of each number."""
    chance = np.random.default_rng(7)
    values = np.asarray(answer["predictions"])
    return {"predictions": (values * (1 + chance.normal(0, 1e-6, values.shape))).tolist()}


@pytest.mark.parametrize("changed", [lambda answer: answer, noisy])
def test_a_candidate_that_differs_by_noise_alone_is_not_stopped(judged, changed):
    """The same judgement, the same requests: it passes."""
    finding = judged("digits", None, changed)
    assert finding.verdict is Verdict.PASS, finding.reasons
    assert finding.measurements["examples"] == []
