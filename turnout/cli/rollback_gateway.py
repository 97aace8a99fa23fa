"""The way back where the router is a Gateway: one patch of the model's HTTPRoute."""

from pathlib import Path
from typing import Any

from turnout.cli.rollback import told
from turnout.settings import Gateway
from turnout.wiring import guarding


def run(settings: dict[str, Any], model: str, *, reason: str, by: str) -> list[str]:
    """End a model's live attempt.

    Args:
        settings: As they are written: a fault elsewhere in them stops no rollback.
        model: The model.
        reason: Why.
        by: Who.

    Returns:
        What became of it, a line each.

    Raises:
        NotFoundError: No such model.
        UnreachableError: The API server does not answer.
    """
    kubeconfig = settings.get("kubeconfig")
    router = guarding.gateway_router(
        Gateway.model_validate(settings["gateway"]),
        Path(kubeconfig) if kubeconfig else None,
        settings.get("context"),
    )
    live = router.read(model).attempt
    ended = [router.roll_back(model, live, reason=reason, by=by)] if live else []
    now = router.read(model)
    said = f"The HTTPRoute says version {now.version}: legacy has {1 - now.weight:.0%}."
    return [*told(model, ended, now.stable.name), said]
