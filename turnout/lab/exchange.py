"""What a client of the lab sends and what it takes for an answer, by the kind of its payloads. Pure.

A payloads file (`turnout/lab/legacy` writes it) names its kind, one of `WAYS`; without one it holds rows of
tensors: a row is a list of numbers, or one text.
"""

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from turnout.domain.contract import Contract, Wire
from turnout.lab import chats

TENSORS = "tensors"
"""Kind of payloads that KServe's V1 and the Open Inference Protocol carry."""


@dataclass(frozen=True)
class Ways:
    """How requests of one kind are made and judged.

    Attributes:
        request: The body of a request for some rows.
        fault: What is wrong with an answer (contract, rows asked, status, body); None: nothing.
        most_rows: Rows in the largest request; each has one to so many.
    """

    request: Callable[[Contract, list[Any]], bytes]
    fault: Callable[[Contract, int, int, bytes], str | None]
    most_rows: int = 3


def request(contract: Contract, rows: list[Any]) -> bytes:
    """The body of a request for some rows."""
    if contract.wire is Wire.V1:
        return json.dumps({"instances": rows}).encode()
    tensor = contract.inputs[0]
    flat = [value for row in rows for value in (row if isinstance(row, list) else [row])]
    shape = [len(rows), *tensor.shape[1:]]
    one = {"name": tensor.name, "shape": shape, "datatype": tensor.datatype, "data": flat}
    return json.dumps({"inputs": [one]}).encode()


def fault(contract: Contract, rows: int, status: int, body: bytes) -> str | None:
    """Say what is wrong with an answer, or None when it is 200, well-formed and complete.

    Args:
        contract: The model's contract.
        rows: Rows that were asked for.
        status: HTTP status.
        body: Body of the answer.
    """
    if status != 200:  # noqa: PLR2004 -- HTTP
        return f"status {status}"
    try:
        answer = json.loads(body)
        values = answer["predictions"] if contract.wire is Wire.V1 else _values(contract, answer)
    except (ValueError, LookupError, TypeError) as error:
        return f"not an answer: {type(error).__name__}: {error}"
    if not isinstance(values, list) or len(values) != rows:
        return f"not an answer for {rows} rows"
    if wrong := [value for value in values if not _fits(contract, value)]:
        return f"an answer with {wrong[0]!r} in it"
    return None


def _fits(contract: Contract, value: Any) -> bool:
    """Whether a value is of the contract's kind: text, a finite number, or a row of such numbers."""
    if contract.outputs[0].datatype == "BYTES":
        return isinstance(value, str)
    numbers = value if isinstance(value, list) else [value]
    return bool(numbers) and all(isinstance(n, int | float) and math.isfinite(n) for n in numbers)


def _values(contract: Contract, answer: dict[str, Any]) -> list[Any]:
    """One entry a row of the contract's first output."""
    found = {tensor["name"]: tensor["data"] for tensor in answer["outputs"]}
    data = list(found[contract.outputs[0].name])
    width = math.prod(contract.outputs[0].shape[1:])
    return data if width == 1 else [data[start : start + width] for start in range(0, len(data), width)]


WAYS = {
    TENSORS: Ways(request, fault),
    chats.CHATS: Ways(chats.request, chats.fault, most_rows=1),
}
"""By kind of payloads."""
