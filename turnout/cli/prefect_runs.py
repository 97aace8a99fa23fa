"""The little that commands ask of Prefect's API; everything goes on without it."""

import httpx

_TIMEOUT_SECONDS = 2.0


def state_of(api: str, run: str) -> str | None:
    """Return the name of a run's state, or None: Prefect does not answer, or knows no such run."""
    try:
        answer = httpx.get(f"{api}/flow_runs/{run}", timeout=_TIMEOUT_SECONDS)
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
        return httpx.post(f"{api}/flow_runs/{run}/set_state", json=body, timeout=_TIMEOUT_SECONDS).is_success
    except httpx.HTTPError:
        return False
