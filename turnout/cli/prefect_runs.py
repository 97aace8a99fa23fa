"""The little that commands ask of Prefect's API; everything goes on without it."""

import os
from typing import Any

import httpx

_TIMEOUT_SECONDS = 2.0
_WORD = "PREFECT_API_AUTH_STRING"
"""Prefect's own variable, `NAME:PASSWORD`: where its API asks for a word, pods have it."""


def state_of(api: str, run: str) -> str | None:
    """Return the name of a run's state, or None: Prefect does not answer, or knows no such run."""
    try:
        answer = httpx.get(f"{api}/flow_runs/{run}", **_how())
        state = answer.raise_for_status().json().get("state")
    except (httpx.HTTPError, httpx.InvalidURL, ValueError):
        return None
    return str(state["name"]) if state else None


def wake(api: str, run: str) -> bool:
    """Let a suspended run go on, so that it finds its attempt ended; False: Prefect does not answer."""
    name = state_of(api, run)
    if name != "Suspended":
        return name is not None
    body = {"state": {"type": "SCHEDULED", "name": "Resuming", "message": "its attempt has ended"}}
    try:
        return httpx.post(f"{api}/flow_runs/{run}/set_state", json=body, **_how()).is_success
    except httpx.HTTPError:
        return False


def _how() -> dict[str, Any]:
    """What each request has: a limit, and the word that Prefect asks for where there is one."""
    name, _, password = os.environ.get(_WORD, "").partition(":")
    return {"timeout": _TIMEOUT_SECONDS, "auth": (name, password) if name else None}
