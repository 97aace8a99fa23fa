"""Discovery from a cluster: every kind of an estate, page by page, with nothing but the verb list.

A kind that may not be listed is a problem of its own and does not stop the others; a kind that is not served
is not there. What an object holds is judged as if it had stood in a file.
"""

from collections.abc import Iterator
from typing import Any

from turnout.domain.document import Document, dotted
from turnout.domain.errors import RefusedError
from turnout.domain.estate import KINDS, Kind, finding
from turnout.domain.inventory import Finding, Inventory, Problem, gather
from turnout.fabric.kubernetes.api import ClusterApi

_CLUSTER_WIDE = frozenset({"clusterservingruntimes"})


def read(api: ClusterApi, namespaces: tuple[str, ...] = ()) -> Inventory:
    """Read the estate of a cluster.

    Args:
        api: The connection.
        namespaces: Only these; all of them without any, which takes the right to list in all.

    Raises:
        RefusedError: The credentials do not hold at all.
        UnreachableError: The API server did not answer; what was read until then is no estate.
    """
    return gather(_findings(api, namespaces))


def _findings(api: ClusterApi, namespaces: tuple[str, ...]) -> Iterator[Finding]:
    served = api.served()
    for kind in KINDS:
        versions = [f"{kind.group}/{version}" for version in kind.versions]
        group_version = next((one for one in versions if (one, kind.plural) in served), None)
        if group_version is None:
            continue
        everywhere = not namespaces or kind.plural in _CLUSTER_WIDE
        for namespace in (None,) if everywhere else namespaces:
            yield from _listed(api, kind, group_version, namespace)


def _listed(api: ClusterApi, kind: Kind, group_version: str, namespace: str | None) -> Iterator[Finding]:
    try:
        for page in api.pages(group_version, kind.plural, namespace=namespace):
            yield from filter(None, (finding(_document(kind, group_version, item)) for item in page))
    except RefusedError as error:
        yield Problem.of(error)


def _document(kind: Kind, group_version: str, item: dict[str, Any]) -> Document:
    meta = item.get("metadata")
    names = (meta.get("namespace"), meta.get("name")) if isinstance(meta, dict) else ()
    subject = "/".join(dotted((str(name),)) for name in names if name)
    return Document(
        value={"apiVersion": group_version, "kind": kind.kind, **item}, file=f"{kind.plural} {subject}"
    )
