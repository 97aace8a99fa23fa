"""What a bridge serves: a line a model, in the user_config of its application. Pure."""

from typing import Any

from pydantic import BaseModel, ConfigDict

from turnout.domain.contract import Tensor


class Bridged(BaseModel):
    """A model that a runtime serves over gRPC.

    Attributes:
        attempt: The attempt that it belongs to.
        address: gRPC address of the runtime, `host:port`, or `dns:///name:port` for all that the name has.
        model: Name of the model there.
        input: Tensor that the instances become.
        output: Tensor that the predictions are made of.
        timeout_seconds: How long the runtime may take.
    """

    model_config = ConfigDict(frozen=True)

    attempt: str
    address: str
    model: str
    input: Tensor
    output: Tensor
    timeout_seconds: float


class Handled(BaseModel):
    """A model that an application of the same Ray Serve answers for.

    Attributes:
        attempt: The attempt that it belongs to.
        application: Name of the application.
        input: Tensor that its clients send, where they send tensors.
        output: Tensor that its clients get.
        timeout_seconds: How long the application may take.
    """

    model_config = ConfigDict(frozen=True)

    attempt: str
    application: str
    input: Tensor
    output: Tensor
    timeout_seconds: float


Line = Bridged | Handled


def line(found: dict[str, Any]) -> Line:
    """Read a line."""
    return Handled.model_validate(found) if "application" in found else Bridged.model_validate(found)
