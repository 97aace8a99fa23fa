"""Reads a Kubernetes API server: what it serves, and lists of objects, page by page.

The objects stay raw JSON. The typed models of the `kubernetes` package know nothing of custom resources and
drop fields that are newer than they are; of that package this module uses kubeconfig, credentials and TLS.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

import urllib3
from kubernetes import config
from kubernetes.client import ApiClient, Configuration
from kubernetes.client.exceptions import ApiException
from kubernetes.config.config_exception import ConfigException
from yaml import YAMLError

from turnout.domain.errors import (
    InvalidInputError,
    NotFoundError,
    RefusedError,
    TemporaryError,
    TurnoutError,
    UnreachableError,
)

TIMEOUT_SECONDS = (10.0, 60.0)
"""To connect, and for one page to arrive."""
RESTARTS = 5
"""How often a list may expire under its reader; a page takes seconds, a token lives for minutes."""

_DISCOVERY = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json"
_OK, _UNAUTHORIZED, _FORBIDDEN, _NOT_FOUND, _GONE = 200, 401, 403, 404, 410


class _GoneError(Exception):
    """The continue token has expired: the list has to be begun again."""


class ClusterApi:
    """A connection that reads.

    Args:
        kubeconfig: File; without it $KUBECONFIG, ~/.kube/config, or the pod's own service account.
        context: Context of the kubeconfig; its current one without it.

    Raises:
        InvalidInputError: There is no usable kubeconfig, or no such context in it.
    """

    def __init__(self, kubeconfig: Path | None = None, context: str | None = None) -> None:
        """Read the kubeconfig; nothing is called yet."""
        self._client = connected(kubeconfig, context)
        if not self._client.configuration.verify_ssl:  # the kubeconfig says so: no warning at each request
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
        self.url: str = self._client.configuration.host

    def __enter__(self) -> Self:
        """Use as a context, so that connections are closed."""
        return self

    def __exit__(self, *_error: object) -> None:
        """Close the connections."""
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._client.rest_client.close()

    def pages(
        self, group_version: str, plural: str, *, namespace: str | None = None, page_size: int = 500
    ) -> Iterator[list[dict[str, Any]]]:
        """List objects as raw JSON, one page after the other; each object once.

        When the list expires under its reader (410 Gone) it is begun again, and what was handed out already
        is left out. A kind that is not served has no pages.

        Args:
            group_version: `v1`, `serving.kserve.io/v1beta1`, ...
            plural: `nodes`, `inferenceservices`, ...
            namespace: Only this one; all without it.
            page_size: Objects in a page, at most.

        Raises:
            RefusedError: Not permitted, or credentials that do not hold.
            UnreachableError: The API server did not answer, or with an error of its own.
        """
        path = _path(group_version, plural, namespace)
        subject = f"{plural} ({group_version})" + (f" in {namespace}" if namespace else "")
        seen: set[tuple[str, str]] = set()
        for _ in range(RESTARTS):
            try:
                for page in self._pages(path, subject, page_size):
                    new = [item for item in page if _identity(item) not in seen]
                    seen.update(map(_identity, new))
                    yield new
            except _GoneError:
                continue
            return
        raise TemporaryError(
            subject,
            observed=f"the list expired {RESTARTS} times while it was read",
            limit="a list that lasts until it is read",
            remedy="Try again, with one namespace at a time.",
        )

    def served(self) -> set[tuple[str, str]]:
        """Group version and plural of every kind that the API server serves.

        Raises:
            RefusedError: Not permitted.
            UnreachableError: The API server did not answer.
        """
        return {kind for root in ("/api", "/apis") for kind in self._discovered(root)}

    def _pages(self, path: str, subject: str, page_size: int) -> Iterator[list[dict[str, Any]]]:
        query = {"limit": str(page_size)}
        while True:
            found = self._get(path, subject, query)
            if found is None:
                return
            yield [item for item in found.get("items") or [] if isinstance(item, dict)]
            token = (found.get("metadata") or {}).get("continue")
            if not token:
                return
            query = {"limit": str(page_size), "continue": token}

    def _discovered(self, root: str) -> Iterator[tuple[str, str]]:
        """The kinds under a root: in one answer, or group by group from servers older than 1.27."""
        found = self._get(root, "API discovery", {}, accept=_DISCOVERY) or {}
        if found.get("kind") == "APIGroupDiscoveryList":
            yield from _aggregated(found)
            return
        core = found.get("versions", [])
        groups = [each["groupVersion"] for group in found.get("groups", []) for each in group["versions"]]
        for version in (*core, *groups):
            try:
                listed = self._get(f"{root}/{version}", "API discovery", {}) or {}
            except UnreachableError:  # an aggregated API whose server is down hides no other
                continue
            yield from ((version, kind["name"]) for kind in listed.get("resources", []))

    def _get(
        self, path: str, subject: str, query: dict[str, str], *, accept: str = "application/json"
    ) -> dict[str, Any] | None:
        """One answer, or None where there is no such path."""
        request = self._client.param_serialize(
            "GET",
            path,
            query_params=list(query.items()),
            header_params={"Accept": accept},
            auth_settings=["BearerToken"],
        )
        try:
            answer = self._client.call_api(*request, _request_timeout=TIMEOUT_SECONDS)
            body = answer.read()  # type: ignore[no-untyped-call]
        except (OSError, urllib3.exceptions.HTTPError, ApiException) as error:
            raise self._unreachable(subject, _one_line(error)) from error
        if answer.status == _NOT_FOUND:
            return None
        if answer.status == _GONE:
            raise _GoneError
        if answer.status != _OK:
            raise self._refused(answer.status, subject, body)
        return self._parsed(subject, body)

    def _parsed(self, subject: str, body: bytes) -> dict[str, Any]:
        try:
            value = json.loads(body)
        except (ValueError, RecursionError) as error:
            raise self._unreachable(subject, "an answer that is not JSON") from error
        if not isinstance(value, dict):
            raise self._unreachable(subject, "an answer that is no object")
        return value

    def _refused(self, status: int, subject: str, body: bytes) -> TurnoutError:
        message = _message(body)
        if status == _FORBIDDEN:
            return RefusedError(
                subject,
                observed=f"list is not permitted ({message})",
                limit="a role with the verb list on it",
                remedy="Apply deployments/kubernetes/base/discovery.yaml, or name namespaces you may read.",
            )
        if status == _UNAUTHORIZED:
            return RefusedError(
                self.url,
                observed=f"credentials that do not hold ({message})",
                limit="a kubeconfig whose user may log in",
                remedy="Log in anew, or choose another context.",
            )
        return self._unreachable(subject, f"status {status} ({message})")

    def _unreachable(self, subject: str, observed: str) -> UnreachableError:
        return UnreachableError(
            f"{self.url}: {subject}",
            observed=observed,
            limit="an answer from the API server",
            remedy="Check the address in the kubeconfig, and that the API server runs; then try again.",
        )


def connected(kubeconfig: Path | None, context: str | None) -> ApiClient:
    """A client for a kubeconfig's cluster, or for the one that this pod runs in; nothing is called yet.

    Raises:
        InvalidInputError: There is no usable kubeconfig, or no such context in it.
        NotFoundError: The file is not there.
    """
    settings = Configuration()
    file = str(kubeconfig) if kubeconfig else None
    try:
        config.load_kube_config(file, context, client_configuration=settings, persist_config=False)  # type: ignore[no-untyped-call]
    except (ConfigException, YAMLError, OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        # A kubeconfig is a file that people edit: whatever is wrong in it surfaces as one of these.
        if kubeconfig or context or not _is_inside(settings):
            raise _no_kubeconfig(kubeconfig, context, error) from error
    return ApiClient(settings)


def _is_inside(settings: Configuration) -> bool:
    """Whether this runs in a pod, whose service account is then taken."""
    try:
        config.load_incluster_config(client_configuration=settings)  # type: ignore[no-untyped-call]
    except ConfigException:
        return False
    return True


def _no_kubeconfig(kubeconfig: Path | None, context: str | None, error: Exception) -> TurnoutError:
    subject = str(kubeconfig or "kubeconfig") + (f", context {context}" if context else "")
    if kubeconfig and not kubeconfig.exists():
        return NotFoundError(
            subject, observed="no such file", limit="a kubeconfig", remedy="Check the path of --kubeconfig."
        )
    return InvalidInputError(
        subject,
        observed=_one_line(error),
        limit="a kubeconfig with that context (kubectl config get-contexts)",
        remedy="Name the file with --kubeconfig and the context with --context.",
    )


def _path(group_version: str, plural: str, namespace: str | None) -> str:
    root = f"/api/{group_version}" if "/" not in group_version else f"/apis/{group_version}"
    return f"{root}/namespaces/{quote(namespace, safe='')}/{plural}" if namespace else f"{root}/{plural}"


def _identity(item: dict[str, Any]) -> tuple[str, str]:
    meta = item.get("metadata") or {}
    return str(meta.get("namespace", "")), str(meta.get("name", ""))


def _aggregated(found: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for group in found.get("items", []):
        name = (group.get("metadata") or {}).get("name")
        for version in group.get("versions", []):
            group_version = f"{name}/{version['version']}" if name else version["version"]
            yield from ((group_version, kind["resource"]) for kind in version.get("resources", []))


def _message(body: bytes) -> str:
    try:
        message = json.loads(body)["message"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return "no message"
    return _one_line(str(message))


def _one_line(error: object) -> str:
    longest = 300
    return " ".join(str(error).split())[:longest]
