"""What manifests need that is not among them: Secrets, ConfigMaps and storage classes. Pure.

Secrets never lie in the repository, and contracts and owners are the user's; a pod that lacks one would wait
in silence. So an installation asks for all of them first.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

Object = dict[str, Any]

_TEMPLATES = frozenset({"Deployment", "StatefulSet", "DaemonSet", "Job"})


@dataclass(frozen=True, order=True)
class Input:
    """An object that somebody else has to make.

    Attributes:
        kind: `Secret`, `ConfigMap` or `StorageClass`.
        name: Its name.
        namespace: Where it has to be; empty for one of the cluster.
        keys: What has to be in it; none: whatever there is.
    """

    kind: str
    name: str
    namespace: str
    keys: tuple[str, ...] = ()

    @property
    def api_version(self) -> str:
        """The version of the API that has it."""
        return "storage.k8s.io/v1" if self.kind == "StorageClass" else "v1"

    def reference(self) -> Object:
        """Just enough of it to ask for it."""
        space = {"namespace": self.namespace} if self.namespace else {}
        return {
            "apiVersion": self.api_version,
            "kind": self.kind,
            "metadata": {"name": self.name, **space},
        }

    def lacking(self, found: Object | None) -> str | None:
        """What is wrong with what was found, or None.

        Args:
            found: The object; None: it is not there.
        """
        what = f"{self.kind} {self.name}"
        if found is None:
            with_keys = f" (keys: {', '.join(self.keys)})" if self.keys else ""
            return f"{what}{with_keys} is not there"
        missing = [key for key in self.keys if key not in (found.get("data") or {})]
        return f"{what} has no key {', '.join(missing)}" if missing else None


def wanted(objects: Iterable[Object]) -> tuple[Input, ...]:
    """Everything that the objects name and do not hold, each once, with all keys that are asked of it."""
    given = list(objects)
    made = {(each["kind"], _namespace(each), each["metadata"]["name"]) for each in given}
    keys: dict[tuple[str, str, str], set[str]] = {}
    for each in given:
        for kind, name, key in _named(each):
            where = "" if kind == "StorageClass" else _namespace(each)
            if (kind, where, name) not in made:
                keys.setdefault((kind, where, name), set()).update({key} if key else ())
    return tuple(
        Input(kind, name, where, tuple(sorted(found))) for (kind, where, name), found in sorted(keys.items())
    )


def _namespace(item: Object) -> str:
    return str(item["metadata"].get("namespace", ""))


def _named(item: Object) -> Iterator[tuple[str, str, str]]:
    """Kind, name and key of what an object names."""
    spec = item.get("spec") or {}
    if item["kind"] in _TEMPLATES:
        yield from _in_pod(spec["template"]["spec"])
        for claim in spec.get("volumeClaimTemplates", ()):
            yield from _in_claim(claim["spec"])
    elif item["kind"] == "PersistentVolumeClaim":
        yield from _in_claim(spec)
    elif item["kind"] == "Gateway":
        for listener in spec.get("listeners", ()):
            for reference in (listener.get("tls") or {}).get("certificateRefs", ()):
                yield from (("Secret", reference["name"], key) for key in ("tls.crt", "tls.key"))


def _in_claim(spec: Object) -> Iterator[tuple[str, str, str]]:
    if name := spec.get("storageClassName"):
        yield "StorageClass", name, ""


def _in_pod(spec: Object) -> Iterator[tuple[str, str, str]]:
    for container in (*spec.get("initContainers", ()), *spec["containers"]):
        for variable in container.get("env", ()):
            source = variable.get("valueFrom") or {}
            yield from _of(source.get("secretKeyRef"), "Secret", "name")
            yield from _of(source.get("configMapKeyRef"), "ConfigMap", "name")
        for source in container.get("envFrom", ()):
            yield from _of(source.get("secretRef"), "Secret", "name")
            yield from _of(source.get("configMapRef"), "ConfigMap", "name")
    for volume in spec.get("volumes", ()):
        yield from _of(volume.get("secret"), "Secret", "secretName")
        yield from _of(volume.get("configMap"), "ConfigMap", "name")


def _of(reference: Object | None, kind: str, named: str) -> Iterator[tuple[str, str, str]]:
    if reference and not reference.get("optional"):
        yield kind, reference[named], reference.get("key", "")
