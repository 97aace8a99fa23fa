"""A Triton backend for ONNX models in Python, where the native one is not in the wheel.

Triton hands a repository that says `backend: "onnxruntime"` to whatever stands in its backend directory under
that name: on a cluster the native backend, in the lab this one. The repository is the same.

It runs inside Triton's stub process and imports nothing of the rest of the code. `TURNOUT_LAB_FAULTS` names a
file of faults to put in (`turnout.lab.faults` writes it): that is how the lab shows a candidate that goes
wrong after its package was proved.
"""
# ruff: noqa: INP001 -- Triton loads it as a file; it is part of no package

import json
import os
import random
import sys
import time
from itertools import accumulate, pairwise
from typing import Any

# Triton's stub embeds Python in isolated mode, so PYTHONPATH goes unread: it names the locked environment.
sys.path[:0] = os.environ["PYTHONPATH"].split(os.pathsep)

import numpy as np  # noqa: E402 -- found only from here on
import onnxruntime  # noqa: E402
import triton_python_backend_utils as pb  # noqa: E402

FAULTS_VARIABLE = "TURNOUT_LAB_FAULTS"

Arrays = dict[str, Any]


class Faults:
    """The fault that is in force, read anew when its file changes."""

    def __init__(self, path: str | None) -> None:
        """Remember where faults are written; None: there are none."""
        self._path = path
        self._seen: tuple[int, int] | None = None
        self._fault: dict[str, Any] = {}

    def current(self) -> dict[str, Any]:
        """The fault in force, or an empty one."""
        if self._path is None:
            return {}
        try:
            found = os.stat(self._path)  # noqa: PTH116 -- asked at each execution
        except FileNotFoundError:
            self._seen, self._fault = None, {}
            return self._fault
        if (found.st_mtime_ns, found.st_ino) != self._seen:
            with open(self._path, encoding="utf-8") as file:  # noqa: PTH123 -- as plain as the stub allows
                self._fault = json.load(file)
            self._seen = (found.st_mtime_ns, found.st_ino)
        return self._fault


class TritonPythonModel:
    """One loaded model; Triton calls `initialize` once and `execute` with each batch it has gathered."""

    def initialize(self, args: dict[str, str]) -> None:
        """Load `VERSION/model.onnx` on one thread: requests, not operators, share the cores."""
        config = json.loads(args["model_config"])
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        file = config.get("default_model_filename") or "model.onnx"
        path = os.path.join(args["model_repository"], args["model_version"], file)  # noqa: PTH118 -- plain strings
        self._session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self._inputs = [tensor["name"] for tensor in config["input"]]
        self._outputs = [tensor["name"] for tensor in config["output"]]
        self._types = {t["name"]: pb.triton_string_to_numpy(t["data_type"]) for t in config["output"]}
        self._batches = config["max_batch_size"] > 0
        self._faults = Faults(os.environ.get(FAULTS_VARIABLE))
        self._leaked: list[bytes] = []

    def execute(self, requests: list[Any]) -> list[Any]:
        """Answer each request; one that fails does not fail the others of its batch."""
        fault = self._faults.current()
        _delay(fault)
        if fault.get("kind") == "leaking":
            self._leaked.append(b"\1" * int(fault["bytes"]))  # written to, so that the memory is really taken
        failing = [fault.get("kind") == "failing" and random.random() < fault["share"] for _ in requests]  # noqa: S311 -- a fault's share, no secret
        inputs = [_faulty(fault, self._arrays(request)) for request in requests]
        answers = self._run([i for i, fails in zip(inputs, failing, strict=True) if not fails])
        served = iter(answers)
        return [
            _error("fault put in: failing") if fails else self._response(next(served), fault)
            for fails in failing
        ]

    def _arrays(self, request: Any) -> Arrays:
        found = {name: pb.get_input_tensor_by_name(request, name).as_numpy() for name in self._inputs}
        return {name: _texts(value) if value.dtype == object else value for name, value in found.items()}

    def _run(self, inputs: list[Arrays]) -> list[Arrays | Exception]:
        """Run all in one batch; where that fails, each on its own, so that each gets its own error."""
        if not (self._batches and len(inputs) > 1):
            return [self._one(arrays) for arrays in inputs]
        sizes = [len(next(iter(arrays.values()))) for arrays in inputs]
        joined = self._one({name: np.concatenate([a[name] for a in inputs]) for name in self._inputs})
        if isinstance(joined, Exception):
            return [self._one(arrays) for arrays in inputs]
        spans = list(pairwise(accumulate(sizes, initial=0)))
        return [{name: value[low:high] for name, value in joined.items()} for low, high in spans]

    def _one(self, arrays: Arrays) -> Arrays | Exception:
        try:
            values = self._session.run(self._outputs, arrays)
        except Exception as error:  # noqa: BLE001 -- whatever onnxruntime raises becomes this request's error
            return error
        return dict(zip(self._outputs, values, strict=True))

    def _response(self, answer: Arrays | Exception, fault: dict[str, Any]) -> Any:
        if isinstance(answer, Exception):
            return _error(f"onnxruntime: {answer}")
        values = {name: _altered(fault, value) for name, value in answer.items()}
        return pb.InferenceResponse([pb.Tensor(n, v.astype(self._types[n])) for n, v in values.items()])


def _texts(values: Any) -> Any:
    """Text arrives as bytes, and onnxruntime takes it as text."""
    decode = np.vectorize(lambda one: one.decode() if isinstance(one, bytes) else one, otypes=[object])
    return decode(values) if values.size else values


def _error(message: str) -> Any:
    return pb.InferenceResponse(error=pb.TritonError(message, pb.TritonError.INTERNAL))


def _delay(fault: dict[str, Any]) -> None:
    if fault.get("kind") in {"hanging", "slow"}:
        time.sleep(fault["seconds"])


def _faulty(fault: dict[str, Any], arrays: Arrays) -> Arrays:
    kind = fault.get("kind")
    if kind == "reversed_features":
        return {name: np.ascontiguousarray(value[..., ::-1]) for name, value in arrays.items()}
    if kind == "rounded_features":
        return {name: np.round(v, 1) if v.dtype.kind == "f" else v for name, v in arrays.items()}
    return arrays


def _altered(fault: dict[str, Any], value: Any) -> Any:
    """Well-formed and wrong: classes in another order, or answers far from any that was learned."""
    kind = fault.get("kind")
    if kind == "reversed_classes":
        return _reversed(value)
    if kind != "nonsense":
        return value
    return value[::-1] if value.dtype == object else value + np.asarray(1_000, dtype=value.dtype)


def _reversed(value: Any) -> Any:
    """Columns the other way round; of a binary model's one column the other class's probability, or label."""
    if value.ndim > 1 and value.shape[-1] > 1:
        return np.ascontiguousarray(value[..., ::-1])
    return value[::-1] if value.dtype == object else np.asarray(1, dtype=value.dtype) - value
