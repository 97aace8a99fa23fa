"""The lab's ports: picked once, the same again when the lab comes up again."""

from collections.abc import Mapping
from pathlib import Path

from pydantic import TypeAdapter

from turnout.domain.errors import InvalidInputError
from turnout.fabric import ports, whole
from turnout.fabric.state import State
from turnout.lab.estate import MODELS

_OF_MODELS = tuple(name for m in MODELS for name in (*m.ports, m.client_port))
_RAY = (
    "ray-gcs", "ray-dashboard", "ray-serve", "ray-client", "ray-agent", "ray-agent-grpc",
    "ray-runtime-env", "ray-object-manager", "ray-node-manager", "ray-metrics",
)  # fmt: skip
NAMES = ("envoy-admin", "sentinel", "shadow", "mlflow", "prefect", "data-docs", *_RAY, *_OF_MODELS)
"""Every port of the lab; `client-MODEL` is where the router listens for a model's clients."""

_PORTS: TypeAdapter[dict[str, int]] = TypeAdapter(dict[str, int])


def allocate(state: State, fixed: Mapping[str, int]) -> dict[str, int]:
    """The ports of a lab: fixed ones, remembered ones, and free ones for the rest. Nothing is started.

    Args:
        state: The state directory.
        fixed: Ports that the user wants, by name.

    Raises:
        InvalidInputError: A port is taken, or a name is unknown.
    """
    _check(fixed)
    known = {**remembered(state.root), **fixed}
    for name, port in known.items():
        ports.require_free(name, (port,))
    for name in NAMES:
        known.setdefault(name, ports.pick(set(known.values())))
    whole.write(state.ports_file, _PORTS.dump_json(known, indent=1).decode())
    return known


def _check(fixed: Mapping[str, int]) -> None:
    if unknown := sorted(set(fixed) - set(NAMES)):
        raise InvalidInputError(
            f"port name {unknown[0]}", observed="unknown", limit=f"one of {', '.join(NAMES)}",
            remedy="Correct --port.",
        )  # fmt: skip
    if len(set(fixed.values())) < len(fixed):
        raise InvalidInputError(
            "--port", observed="the same port twice", limit="a port of its own for each",
            remedy="Choose another.",
        )  # fmt: skip


def remembered(root: Path) -> dict[str, int]:
    """The ports of a lab by name; empty where it never came up."""
    try:
        found = _PORTS.validate_json(State(root).ports_file.read_bytes())
    except (OSError, ValueError):
        return {}
    return {name: port for name, port in found.items() if name in NAMES}
