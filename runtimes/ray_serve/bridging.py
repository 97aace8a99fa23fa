"""The bridge in front of a model: the application that speaks its clients' protocol, and the model's line.

Pure. Called by the lab's Ray Serve and by the cluster's: what is asked, and how, is the same in both.
"""

from typing import Any

from runtimes import Endpoint
from runtimes.bridges.lines import Bridged, Handled, Line
from runtimes.triton.config import served
from turnout.domain.contract import Contract, Wire
from turnout.domain.errors import InvalidInputError, UnsupportedError

BRIDGES = {
    Wire.V1: {"name": "bridge-v1", "route_prefix": "/v1/models", "import_path": "runtimes.bridges.v1:app"},
    Wire.V2: {"name": "bridge-v2", "route_prefix": "/v2/models", "import_path": "runtimes.bridges.v2:app"},
}
"""The application that speaks each protocol."""
DEPLOYMENT = "Bridge"
"""Name of its one deployment."""


def speaks(contract: Contract) -> None:
    """See that there is a bridge for a contract's clients.

    Raises:
        UnsupportedError: There is none.
    """
    if contract.wire not in BRIDGES:
        raise UnsupportedError(
            f"model {contract.model} on ray_serve", observed=f"clients that speak {contract.wire}",
            limit=f"one of {', '.join(BRIDGES)}", remedy="Choose another runtime.",
        )  # fmt: skip


def handled(attempt: str, contract: Contract) -> Handled:
    """The line of a model that an application of the same Ray Serve answers for, called as the attempt."""
    return Handled(
        attempt=attempt,
        application=attempt,
        input=contract.inputs[0],
        output=contract.outputs[0],
        timeout_seconds=contract.policy.try_seconds,
    )


def bridged(attempt: str, contract: Contract, at: Endpoint) -> Bridged:
    """The line of a model that Triton serves.

    Raises:
        InvalidInputError: The endpoint has no gRPC port, or the clients speak what Triton speaks.
    """
    if at.grpc_port is None or contract.wire is not Wire.V1:
        raise InvalidInputError(
            f"bridge for {attempt}", observed=f"{at} for {contract.wire.upper()} clients",
            limit="an endpoint with a gRPC port, and V1 clients",
            remedy="Deploy the model on triton first; V2 clients need no bridge to it.",
        )  # fmt: skip
    return Bridged(
        attempt=attempt,
        address=f"{at.host}:{at.grpc_port}",
        model=contract.model,
        input=served(contract.inputs[0], contract.wire),
        output=contract.outputs[0],
        timeout_seconds=contract.policy.try_seconds,
    )


def bridge(wire: Wire, lines: dict[str, Line], **options: Any) -> dict[str, Any]:
    """The application of a bridge with its table of models.

    Args:
        wire: What its clients speak.
        lines: The models, by name.
        options: Of its deployment, as a Serve config writes them.
    """
    table = {name: lines[name].model_dump(mode="json") for name in sorted(lines)}
    return {
        **BRIDGES[wire],
        "deployments": [{"name": DEPLOYMENT, **options, "user_config": {"models": table}}],
    }
