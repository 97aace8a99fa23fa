"""What a client of the lab sends and what it takes for an answer, in either protocol. Pure."""

import json
import math
from typing import Any

from turnout.domain.contract import Contract, Wire


def request(contract: Contract, rows: list[list[float]]) -> bytes:
    """The body of a request for some rows."""
    if contract.wire is Wire.V1:
        return json.dumps({"instances": rows}).encode()
    tensor = contract.inputs[0]
    flat = [value for row in rows for value in row]
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
    if not all(isinstance(v, int | float) and math.isfinite(v) for v in values):
        return "an answer with something else than numbers"
    return None


def _values(contract: Contract, answer: dict[str, Any]) -> Any:
    found = {tensor["name"]: tensor["data"] for tensor in answer["outputs"]}
    return found[contract.outputs[0].name]
