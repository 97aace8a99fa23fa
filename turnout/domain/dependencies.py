"""What a workload calls or shares, as far as its manifest says: other services, secrets, volumes.

Names are `kind/name`: `service/NAMESPACE/NAME` in the cluster, `host/NAME` outside of it, `secret/NAME`, ...
"""

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

_NAMED = {
    "secretKeyRef": "secret",
    "secretRef": "secret",
    "configMapKeyRef": "configmap",
    "configMapRef": "configmap",
    "configMap": "configmap",
}
_PLAIN = {
    "secretName": "secret",
    "envSecretRefName": "secret",
    "claimName": "volume",
    "serviceAccountName": "account",
}
_STORED = frozenset({"storageUri", "modelUri", "uri"})
_ADDRESSES = frozenset({"value", "url", "serviceUrl"})
_SCHEMES = frozenset({"http", "https", "grpc", "redis", "rediss", "postgresql", "mysql", "kafka", "nats"})


_SECRET_NAMES = ("serving.kserve.io/storageSecretName", "serving.kserve.io/secretName")
"""Annotations that name another secret of storage credentials."""
_CREDENTIALS = "storage-config"
"""The secret of storage credentials, as KServe names it (inferenceservice-config, `storageSecretName`)."""


def dependencies(spec: Any, metadata: Any = None) -> tuple[str, ...]:
    """Names of what an object's spec refers to, sorted, each once. Secrets are named, never read.

    Args:
        spec: The spec, or any part of an object.
        metadata: Its metadata, whose annotations may name the secret of its storage.
    """
    return tuple(sorted({*_references(spec), *_storage_secrets(metadata)}))


def _storage_secrets(metadata: Any) -> Iterator[str]:
    annotations = metadata.get("annotations") if isinstance(metadata, dict) else None
    if isinstance(annotations, dict):
        yield from (f"secret/{annotations[name]}" for name in _SECRET_NAMES if name in annotations)


def _references(part: Any) -> Iterator[str]:
    if isinstance(part, list):
        for entry in part:
            yield from _references(entry)
    elif isinstance(part, dict):
        for key, value in part.items():
            yield from _reference(key, value)
            yield from _references(value)


def _reference(key: str, value: Any) -> Iterator[str]:
    if key == "storage" and isinstance(value, dict) and ("path" in value or "key" in value):
        yield f"secret/{_CREDENTIALS}"
    elif key in _NAMED and isinstance(value, dict) and isinstance(value.get("name"), str):
        yield f"{_NAMED[key]}/{value['name']}"
    elif not isinstance(value, str):
        return
    elif key in _PLAIN:
        yield f"{_PLAIN[key]}/{value}"
    elif key in _STORED and value.startswith("pvc://"):
        yield f"volume/{value.removeprefix('pvc://').split('/')[0]}"
    elif key in _ADDRESSES and (host := _host(value)):
        yield _service(host)


def service_of(address: str) -> str:
    """The service or host behind a URL, by the names used here; the address itself where it is none."""
    host = _host(address)
    return _service(host) if host else f"host/{address}"


def _host(address: str) -> str | None:
    try:
        parts = urlsplit(address)
    except ValueError:
        return None
    return parts.hostname if parts.scheme in _SCHEMES else None


def _service(host: str) -> str:
    labels = host.split(".")
    in_cluster = len(labels) > 2 and labels[2] == "svc"  # noqa: PLR2004 -- NAME.NAMESPACE.svc
    return f"service/{labels[1]}/{labels[0]}" if in_cluster else f"host/{host}"
