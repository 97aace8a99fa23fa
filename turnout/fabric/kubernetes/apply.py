"""Writes objects to a Kubernetes API server by server-side apply: the server merges and validates.

The one module of this room that writes; discovery does not import it.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

import urllib3
from kubernetes import config
from kubernetes.client import ApiClient, Configuration

from turnout.domain.errors import (
    InvalidInputError,
    NotFoundError,
    RefusedError,
    TurnoutError,
    UnreachableError,
)

FIELD_MANAGER = "turnout"
TIMEOUT_SECONDS = (10.0, 60.0)
"""To connect, and for one answer."""

_APPLY = "application/apply-patch+yaml"
_JSON = "application/json"
_NOT_FOUND = 404
_REFUSED = frozenset({401, 403, 409})
_INVALID = frozenset({400, 415, 422})
_UNTYPED = "failed to create typed patch object"
"""What the API server says, with status 500, of an applied object with a field that it does not know."""

Object = dict[str, Any]


class Applier:
    """A connection that writes.

    Args:
        kubeconfig: The file that says where, and as whom.
    """

    def __init__(self, kubeconfig: Path) -> None:
        """Read the kubeconfig; nothing is called yet."""
        settings = Configuration()
        config.load_kube_config(str(kubeconfig), client_configuration=settings, persist_config=False)  # type: ignore[no-untyped-call]
        self._client = ApiClient(settings)
        self._known: dict[tuple[str, str], tuple[str, bool]] = {}

    def __enter__(self) -> Self:
        """Use as a context, so that connections are closed."""
        return self

    def __exit__(self, *_error: object) -> None:
        """Close the connections."""
        self._client.rest_client.close()

    def apply(self, objects: Iterable[Object], *, dry_run: bool = False) -> list[Object]:
        """Bring objects to what they say, one after the other, in the order given.

        Args:
            objects: Complete manifests; what has no namespace goes to `default` where its kind has one.
            dry_run: Everything is checked and defaulted by the server, and nothing is kept.

        Returns:
            The objects as the server has (or would have) them.

        Raises:
            InvalidInputError: The server found an object invalid; unknown and repeated fields are, too.
            NotFoundError: The kind is not served, or the namespace is not there.
            RefusedError: Not permitted, or another manager owns a field.
            UnreachableError: No answer.
        """
        query = {"fieldManager": FIELD_MANAGER, "fieldValidation": "Strict", "force": "true"}
        if dry_run:
            query["dryRun"] = "All"
        return [self.call("PATCH", self.path(each), query, each, named=_named(each)) for each in objects]

    def delete(self, item: Object) -> None:
        """Delete an object with what it owns; harmless when it is gone."""
        try:
            self.call("DELETE", self.path(item), {"propagationPolicy": "Background"}, named=_named(item))
        except NotFoundError:
            return

    def path(self, item: Object) -> str:
        """Where an object lies in the API.

        Raises:
            NotFoundError: Its kind is not served.
        """
        version, meta = item["apiVersion"], item["metadata"]
        plural, namespaced = self._resource(version, item["kind"])
        space = f"/namespaces/{quote(meta.get('namespace', 'default'), safe='')}" if namespaced else ""
        return f"{_root(version)}{space}/{plural}/{quote(meta['name'], safe='')}"

    def call(
        self, method: str, path: str, query: dict[str, str] | None = None, body: Object | None = None,
        *, named: str | None = None,
    ) -> Object:  # fmt: skip
        """Call the API and return its answer; errors name `named`, or the path.

        Raises:
            TurnoutError: As `apply`.
        """
        subject = named or path
        request = self._client.param_serialize(
            method, path, query_params=list((query or {}).items()), body=body,
            header_params={"Accept": _JSON, "Content-Type": _APPLY if method == "PATCH" else _JSON},
            auth_settings=["BearerToken"],
        )  # fmt: skip
        try:
            answer = self._client.call_api(*request, _request_timeout=TIMEOUT_SECONDS)
            value: Object = json.loads(answer.read())  # type: ignore[no-untyped-call]
        except (OSError, urllib3.exceptions.HTTPError, ValueError) as error:
            raise _unreachable(subject, f"{type(error).__name__}: {error}") from error
        if answer.status >= 400:  # noqa: PLR2004 -- HTTP
            raise _failed(subject, answer.status, str(value.get("message")))
        return value

    def _resource(self, version: str, kind: str) -> tuple[str, bool]:
        """Plural of a kind, and whether it lies in namespaces."""
        if (version, kind) not in self._known:
            found = self.call("GET", _root(version), named=f"{kind} ({version})")["resources"]
            self._known |= {
                (version, each["kind"]): (each["name"], each["namespaced"])
                for each in found
                if "/" not in each["name"]
            }
        try:
            return self._known[version, kind]
        except KeyError:
            raise _not_found(f"{kind} ({version})", "not served") from None


def _root(version: str) -> str:
    return f"/apis/{version}" if "/" in version else f"/api/{version}"


def _named(item: Object) -> str:
    meta = item["metadata"]
    return f"{item['kind']} {meta.get('namespace', '')}/{meta['name']}".replace(" /", " ")


def _failed(subject: str, status: int, message: str) -> TurnoutError:
    if status == _NOT_FOUND:
        return _not_found(subject, message)
    if status in _INVALID or _UNTYPED in message:
        return InvalidInputError(
            subject, observed=message, limit="an object that the API server takes",
            remedy="Correct what it names.",
        )  # fmt: skip
    if status in _REFUSED:
        return RefusedError(
            subject, observed=message, limit="a write that the API server permits",
            remedy="Check the role of the kubeconfig's user.",
        )  # fmt: skip
    return _unreachable(subject, f"status {status}: {message}")


def _not_found(subject: str, observed: str) -> NotFoundError:
    return NotFoundError(
        subject, observed=observed, limit="a kind that is served and a namespace that is there",
        remedy="Install its CustomResourceDefinition, or make the namespace.",
    )  # fmt: skip


def _unreachable(subject: str, observed: str) -> UnreachableError:
    return UnreachableError(
        subject, observed=observed, limit="an answer from the API server",
        remedy="Check that it runs; then try again.",
    )  # fmt: skip
