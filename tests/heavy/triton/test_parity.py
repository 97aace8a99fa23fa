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
from tasks.package import package_model
from turnout.domain import shadowing
from turnout.domain.evidence import Verdict
from turnout.domain.requests import Arm
from turnout.fabric import environments
from turnout.lab import exchange, faults
from turnout.services.shadow import replies
from turnout.services.shadow.exchange import Exchange, Origin
from turnout.services.shadow.replies import Reply

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


@pytest.fixture
def broken(wiring, state, packaged):
    """Packages a model from files that were changed since legacy loaded them; they are put back."""
    kept = []

    def package(model, name, change):
        packaged(model)
        file = state.model_files(model) / name
        kept.append((file, file.read_bytes()))
        change(file)
        return package_model.fn(model, wiring.attempts.new(model).id)

    yield package
    for file, content in kept:
        file.write_bytes(content)


def stopped_with_examples(evidence):
    """The package fails, is registered nowhere, and its evidence shows requests with both answers."""
    assert evidence.verdict is Verdict.FAIL
    assert evidence.measurements["package"] is None
    for example in evidence.measurements["examples"]:
        assert example["legacy"] != example["converted"]
        assert example["request"]
        assert example["what"]
    return len(evidence.measurements["examples"])


def test_classes_in_another_order_are_stopped_on_the_golden_set(broken):
    """The columns of an ONNX model were permuted: well-formed, sums to one, and wrong."""
    python = environments.ensure("convert") / "bin" / "python"
    evidence = broken(
        "wine", "model.onnx", lambda file: subprocess.run([python, "-c", REORDER, file], check=True)
    )
    assert stopped_with_examples(evidence) > 0


def test_a_preprocessing_that_rounds_is_stopped_on_the_golden_set(broken):
    """One line of the transformer rounds to one decimal: no answer is absurd, and each is a little off."""

    def rounding(file):
        text = file.read_text()
        changed = text.replace("return stretched.reshape", "return stretched.round(1).reshape")
        assert changed != text
        file.write_text(changed)

    assert stopped_with_examples(broken("digits", "transformer.py", rounding)) > 0


@pytest.fixture
def judged(wiring, state, packaged, rows):
    """Replays a model's requests to a Triton with a fault in it, and judges them as the shadow test does."""

    def judge(model, fault, changed=lambda answer: answer):
        attempt, contract = packaged(model).attempt, wiring.contract(model)
        package = state.work / "packages" / attempt
        if fault:
            faults.put(state.root, trial.server_name(attempt), fault)
        try:
            with wiring.triton._trial(contract, package) as candidate:
                found = [
                    compared(contract, attempt, candidate, row, changed=changed, number=number)
                    for number, row in enumerate((rows(model) * 4)[:REPLAYS])
                ]
        finally:
            faults.lift(state.root, trial.server_name(attempt))
        return shadowing.judge(contract, found), shadowing.examples(found)

    def compared(contract, attempt, candidate, row, *, changed, number):
        body = exchange.request(contract, [row])
        old, again = (wiring.legacy.predict(contract, body) for _ in range(2))
        began = time.monotonic()
        new = json.dumps(changed(candidate.answer(json.loads(body)))).encode()
        return replies.from_legacy(
            contract,
            Exchange(
                Origin(contract.model, attempt, Arm.LEGACY, Arm.LEGACY), number, old.seconds, "POST",
                "/", {}, body, old.status, old.body,
            ),
            attempt=attempt,
            new=Reply(200, new, time.monotonic() - began),
            again=Reply(again.status, again.body, again.seconds),
            at_seconds=number // 4,
        )  # fmt: skip

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
    finding, examples = judged(model, fault)
    assert finding.verdict is Verdict.FAIL
    assert examples
    assert all(example["old"] != example["new"] for example in examples)


def noisy(answer):
    """The same answer from other hardware: the last digits of each number."""
    chance = np.random.default_rng(7)
    values = np.asarray(answer["predictions"])
    return {"predictions": (values * (1 + chance.normal(0, 1e-6, values.shape))).tolist()}


@pytest.mark.parametrize("changed", [lambda answer: answer, noisy])
def test_a_candidate_that_differs_by_noise_alone_is_not_stopped(judged, changed):
    """The same judgement, the same requests: it passes."""
    finding, examples = judged("digits", None, changed)
    assert finding.verdict is Verdict.PASS, finding.reasons
    assert examples == []
