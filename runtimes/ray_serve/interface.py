"""Serve's REST interface: what runs, and what should run beside it.

https://docs.ray.io/en/latest/serve/api/index.html#serve-rest-api: a PUT says all that Serve is to run, so
that whatever it leaves out is taken down. What others have deployed is therefore put again as it is.
"""

import time
from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from typing import Any
from urllib.parse import urlsplit

import httpx

from turnout.domain.errors import TemporaryError, UnreachableError

Config = dict[str, Any]
"""One application, as a Serve config writes it."""

READY_WITHIN_SECONDS = 120.0
"""Serve's controller, proxy and replica start in 15 s on an idle machine; loaded cores need a multiple."""

KEEP_ALIVE_SECONDS = 7200
"""Longer than any idle connection of the router: none closes with a request on its way."""

_CALL_SECONDS = 60.0
_POLL_SECONDS = 0.25
_COMPARED = ("import_path", "route_prefix", "args", "runtime_env")


class Serve:
    """Serve of one Ray cluster.

    Args:
        dashboard: URL of the Ray dashboard, which is also Serve's REST interface.
        proxy: URL of Serve's HTTP proxy.
    """

    def __init__(self, *, dashboard: str, proxy: str) -> None:
        """Nothing is called."""
        self._api = f"{dashboard.rstrip('/')}/api/serve/applications/"
        self.proxy = proxy.rstrip("/")

    def apply(
        self,
        wanted: Iterable[Config],
        *,
        awaited: AbstractSet[str] = frozenset(),
        gone: AbstractSet[str] = frozenset(),
    ) -> None:
        """Bring Serve to where the wanted applications run and those that are gone do not.

        Args:
            wanted: What should run, beside what others have deployed.
            awaited: Names of those that are waited for: another one that is broken holds nobody up.
            gone: Names of what should not.

        Harmless when it is so: then nothing is put. Call it alone: two at the same time would each leave out
        what the other has put.

        Raises:
            UnreachableError: Ray's dashboard does not answer.
            TemporaryError: An application was not running in time, or failed to start.
        """
        wanted = list(wanted)
        running = self.call("GET")
        there = running["applications"]
        stale = [config for config in wanted if not is_there(there.get(config["name"]), config)]
        if stale or gone & there.keys():
            self.call("PUT", json=merged(running, wanted, gone, urlsplit(self.proxy)))
        for config in stale:
            if config["name"] in awaited:
                self._await_running(config["name"])

    def call(self, method: str, **content: Any) -> dict[str, Any]:
        """Call the interface; a GET answers what runs.

        Raises:
            UnreachableError: It does not answer, or refuses.
        """
        try:
            answer = httpx.request(method, self._api, timeout=_CALL_SECONDS, trust_env=False, **content)
            answer.raise_for_status()
        except httpx.HTTPError as error:
            body = error.response.text[:300] if isinstance(error, httpx.HTTPStatusError) else ""
            raise UnreachableError(
                f"Ray at {self._api}", observed=f"{type(error).__name__}: {error} {body}".strip(),
                limit="Serve's REST interface", remedy="See that the Ray cluster runs (turnout lab status).",
            ) from error  # fmt: skip
        found: dict[str, Any] = answer.json() if method == "GET" else {}
        return found

    def _await_running(self, name: str) -> None:
        deadline = time.monotonic() + READY_WITHIN_SECONDS
        seen: dict[str, Any] = {}
        while time.monotonic() < deadline:
            seen = self.call("GET")["applications"].get(name) or {}
            if seen.get("status") == "RUNNING":
                return
            if seen.get("status") == "DEPLOY_FAILED":
                break
            time.sleep(_POLL_SECONDS)
        raise late(name, f"it is {seen.get('status', 'not known')}: {_why(seen)}")


def is_there(running: dict[str, Any] | None, wanted: Config) -> bool:
    """Whether an application runs as it is wanted."""
    deployed = (running or {}).get("deployed_app_config")
    if not running or running["status"] != "RUNNING" or deployed is None:
        return False
    same = all(deployed.get(key) == wanted.get(key) for key in _COMPARED if key in wanted)
    return same and _tables(deployed) == _tables(wanted)


def merged(
    running: dict[str, Any], wanted: list[Config], gone: AbstractSet[str], proxy: Any
) -> dict[str, Any]:
    """The whole of what Serve should run: its options as they are, other applications as they are."""
    ours = {config["name"] for config in wanted} | gone
    others = [
        app["deployed_app_config"]
        for name, app in running["applications"].items()
        if name not in ours and app["deployed_app_config"]
    ]
    started = {"host": proxy.hostname, "port": proxy.port, "keep_alive_timeout_s": KEEP_ALIVE_SECONDS}
    return {
        "proxy_location": running.get("proxy_location") or "HeadOnly",
        "http_options": running.get("http_options") or started,
        "applications": [*others, *wanted],
    }


def late(name: str, observed: str) -> TemporaryError:
    """The error of an application that is not where it should be."""
    return TemporaryError(
        f"Ray Serve application {name}",
        observed=observed,
        limit=f"RUNNING and answering within {READY_WITHIN_SECONDS:.0f} s",
        remedy="See Serve's page on the Ray dashboard and the lab's log of Ray.",
    )


def _tables(config: Config) -> dict[str, Any]:
    """What each deployment is told at run time, by its name."""
    return {
        one["name"]: one["user_config"] for one in config.get("deployments", ()) if one.get("user_config")
    }


def _why(seen: dict[str, Any]) -> str:
    """What the application and its deployments say, the end of it: there the cause stands."""
    told = [seen.get("message", ""), *(d.get("message", "") for d in seen.get("deployments", {}).values())]
    return " ".join(" ".join(told).split())[-600:]
