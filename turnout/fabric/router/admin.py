"""What Envoy reports about itself, over its admin interface.

Plain `http.client`: it is loaded on the way back, where every millisecond counts.
"""

import http.client
import json
import re
from typing import Any
from urllib.parse import quote, urlsplit

from turnout.domain.errors import UnreachableError


class EnvoyAdmin:
    """Envoy's admin interface.

    Args:
        url: Its URL, `http://host:port`.
        timeout_seconds: Longest wait for one answer.
    """

    def __init__(self, url: str, *, timeout_seconds: float = 1.0) -> None:
        """Keep where it is; nothing is asked yet."""
        self.url = url
        self._timeout_seconds = timeout_seconds

    def versions(self) -> dict[str, str]:
        """Version of each source of configuration, by the name of its statistic."""
        answer = self._get("/stats?format=json&type=TextReadouts&filter=" + quote(r"\.version_text$"))
        return {one["name"]: one["value"] for one in answer.get("stats", ()) if "name" in one}

    def route_version(self, model: str) -> str | None:
        """Version of the route that a model's listener follows; None before it has one."""
        return self.versions().get(f"http.{model}.rds.{model}.version_text") or None

    def clusters(self) -> dict[str, str]:
        """Version of each cluster that takes requests, by name; those still warming are not among them."""
        answer = self._get(
            "/config_dump?resource=dynamic_active_clusters&mask=" + quote("cluster.name,version_info")
        )
        return {one["cluster"]["name"]: one.get("version_info", "") for one in answer.get("configs", [])}

    def listeners(self) -> set[str]:
        """Names of the listeners that take connections, with their ports: `name:port`."""
        statuses = self._get("/listeners?format=json").get("listener_statuses", [])
        return {f"{one['name']}:{one['local_address']['socket_address']['port_value']}" for one in statuses}

    def completed(self) -> dict[str, int]:
        """Requests that have ended since Envoy started, by model; a model without any is left out.

        Those that came less those under way: `downstream_rq_completed` counts an answer when it begins, and
        one that streams ends long after. What comes between the two questions is counted later.
        """
        came, running = self._requests("total", "Counters"), self._requests("active", "Gauges")
        return {model: count - running.get(model, 0) for model, count in came.items()}

    def _requests(self, which: str, kind: str) -> dict[str, int]:
        """One statistic of the requests of all models.

        Asked each second: used ones of one kind alone, for with a thousand models all statistics are close to
        a million and take Envoy most of a second.
        """
        name = rf"http\.([^.]+)\.downstream_rq_{which}"
        answer = self._get(f"/stats?format=json&type={kind}&usedonly&filter=" + quote(f"^{name}$"))
        found = (
            (re.fullmatch(name, one["name"]), one["value"])
            for one in answer.get("stats", ())
            if "name" in one
        )
        return {match[1]: int(value) for match, value in found if match}

    def active(self, cluster: str) -> int:
        """Requests that a cluster's servers are answering now; 0 for one that Envoy does not know."""
        pattern = rf"^cluster\.{re.escape(cluster)}\.upstream_rq_active$"
        answer = self._get("/stats?format=json&filter=" + quote(pattern))
        return sum(int(one["value"]) for one in answer["stats"] if "name" in one)

    def reopen_logs(self) -> None:
        """Make Envoy go on in new log files where the old ones were renamed."""
        self._ask("POST", "/reopen_logs")

    def _get(self, path: str) -> dict[str, Any]:
        try:
            answer: dict[str, Any] = json.loads(self._ask("GET", path))
        except ValueError as error:
            raise self._unreachable(error) from error
        return answer

    def _ask(self, method: str, path: str) -> bytes:
        where = urlsplit(self.url)
        connection = http.client.HTTPConnection(
            where.hostname or "", where.port, timeout=self._timeout_seconds
        )
        try:
            connection.request(method, path)
            return connection.getresponse().read()
        except (OSError, http.client.HTTPException) as error:
            raise self._unreachable(error) from error
        finally:
            connection.close()

    def _unreachable(self, error: Exception) -> UnreachableError:
        return UnreachableError(
            f"Envoy's admin interface at {self.url}",
            observed=str(error) or type(error).__name__,
            limit="an answer",
            remedy="Start Envoy (turnout lab up); it reads its routes from files when it starts.",
        )
