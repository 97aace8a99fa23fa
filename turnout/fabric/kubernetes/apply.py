"""Writes objects to a Kubernetes API server by server-side apply: the server merges and validates.

The one module of this room that writes; discovery does not import it.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

import urllib3

from turnout.domain.errors import (
    InvalidInputError,
    NotFoundError,
    RefusedError,
    TurnoutError,
    UnreachableError,
)
from turnout.fabric.kubernetes.api import connected

FIELD_MANAGER = "turnout"
TIMEOUT_SECONDS = (10.0, 60.0)
"""To connect, and for one answer."""

_APPLY = "application/apply-patch+yaml"
_JSON = "application/json"
JSON_PATCH = "application/json-patch+json"
_NOT_FOUND = 404
_CONFLICT = 409
_REFUSED = frozenset({401, 403})
_INVALID = frozenset({400, 415, 422})
_UNTYPED = "failed to create typed patch object"
"""What the API server says, with status 500, of an applied object with a field that it does not know."""

Object = dict[str, Any]


class ConflictError(RefusedError):
    """The object is no longer what was read, another manager owns a field, or the name is taken."""


class Applier:
    """A connection that writes.

    Args:
        kubeconfig: The file that says where, and as whom; without it as `ClusterApi`.
        context: Context of the kubeconfig; its current one without it.

    Raises:
        InvalidInputError: There is no usable kubeconfig, or no such context in it.
    """

    def __init__(self, kubeconfig: Path | None = None, context: str | None = None) -> None:
        """Read the kubeconfig; nothing is called yet."""
        self._client = connected(kubeconfig, context)
        self._known: dict[tuple[str, str], tuple[str, bool]] = {}

    def __enter__(self) -> Self:
        """Use as a context, so that connections are closed."""
        return self

    def __exit__(self, *_error: object) -> None:
        """Close the connections."""
        self.close()

    def close(self) -> None:
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
            ConflictError: Another manager owns a field.
            RefusedError: Not permitted.
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

    def collection(self, version: str, kind: str) -> str:
        """Where all objects of a kind are listed.

        Raises:
            NotFoundError: The kind is not served.
        """
        return f"{_root(version)}/{self._resource(version, kind)[0]}"

    def call(
        self, method: str, path: str, query: dict[str, str] | None = None,
        body: Object | list[Object] | None = None, *, named: str | None = None, content: str | None = None,
    ) -> Object:  # fmt: skip
        """Call the API and return its answer; errors name `named`, or the path.

        Args:
            method: HTTP method.
            path: Path in the API.
            query: Parameters.
            body: What is sent, as JSON.
            named: What it is about, for people.
            content: Content type; without it an applied object for PATCH, else JSON.

        Raises:
            TurnoutError: As `apply`.
        """
        subject = named or path
        content = content or (_APPLY if method == "PATCH" else _JSON)
        answer = self._answer(method, path, query or {}, body, content=content, subject=subject)
        try:
            value: Object = json.loads(answer)
        except ValueError as error:
            raise _unreachable(subject, f"{type(error).__name__}: {error}") from error
        return value

    def text(self, path: str, query: dict[str, str] | None = None, *, named: str) -> str:
        """What a path answers that is no JSON, for example a pod's own page behind the API server.

        Raises:
            TurnoutError: As `apply`.
        """
        said = self._answer("GET", path, query or {}, None, content=_JSON, subject=named)
        return said.decode(errors="replace")

    def _answer(
        self, method: str, path: str, query: dict[str, str], body: object, *, content: str, subject: str
    ) -> bytes:
        request = self._client.param_serialize(
            method, path, query_params=list(query.items()), body=body,
            header_params={"Accept": f"{_JSON}, */*", "Content-Type": content}, auth_settings=["BearerToken"],
        )  # fmt: skip
        try:
            answer = self._client.call_api(*request, _request_timeout=TIMEOUT_SECONDS)
            said: bytes = answer.read()  # type: ignore[no-untyped-call]
        except (OSError, urllib3.exceptions.HTTPError) as error:
            raise _unreachable(subject, f"{type(error).__name__}: {error}") from error
        if answer.status >= 400:  # noqa: PLR2004 -- HTTP
            raise _failed(subject, answer.status, _message(said))
        return said

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


def _message(said: bytes) -> str:
    """The words of an answer that is an error: a Status of the API server, or plain text."""
    try:
        return str(json.loads(said).get("message"))
    except (ValueError, AttributeError):
        return said.decode(errors="replace").strip()


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
    if status == _CONFLICT:
        return ConflictError(
            subject, observed=message, limit="the object as it was read, and fields that are ours",
            remedy="Read it again and decide anew.",
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
