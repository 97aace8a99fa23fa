"""Whose a hostname is on a Gateway: two HTTPRoutes of the same name there, and only one is asked. Pure.

Which one is not a matter of order alone. Gateway API prefers the closer match and among equals the older
route; Envoy Gateway puts a regular expression before any prefix, and KServe's routes match by one. So beside
a route of KServe's ours would never be asked, however old it is, and beside another's only some of the time.
"""

from collections.abc import Iterable, Iterator

from turnout.domain.errors import RefusedError
from turnout.fabric.gateway_api.place import Object, Place

_GATEWAY = "Gateway"


def require_free(routes: Iterable[Object], place: Place, model: str, names: Iterable[str]) -> None:
    """Refuse names that another HTTPRoute has on the same Gateway.

    Args:
        routes: The HTTPRoutes of the cluster.
        place: The Gateway, and where the models' routes are.
        model: Whose names they are to be.
        names: Hostnames.

    Raises:
        RefusedError: One is taken; it says by whom.
    """
    wanted = set(names)
    for route in routes:
        meta = route["metadata"]
        if (meta["namespace"], meta["name"]) == (place.namespace, model) or not _is_attached(route, place):
            continue
        for name in sorted(wanted & set(route["spec"].get("hostnames") or [])):
            raise _taken(name, route, place)


def _is_attached(route: Object, place: Place) -> bool:
    return any(
        ref["name"] == place.gateway and (not section or place.listener in (None, section))
        for ref, section in _parents(route, place)
    )


def _parents(route: Object, place: Place) -> Iterator[tuple[Object, str | None]]:
    """The Gateways of our namespace that a route names, each with the listener that it wants."""
    own = route["metadata"]["namespace"]
    for ref in route["spec"].get("parentRefs") or []:
        if ref.get("kind", _GATEWAY) == _GATEWAY and ref.get("namespace", own) == place.namespace:
            yield ref, ref.get("sectionName")


def _taken(name: str, route: Object, place: Place) -> RefusedError:
    meta = route["metadata"]
    made_by = "".join(f" of {one['kind']} {one['name']}" for one in meta.get("ownerReferences") or [])
    return RefusedError(
        f"hostname {name}",
        observed=f"HTTPRoute {meta['namespace']}/{meta['name']}{made_by}, made {meta['creationTimestamp']}, "
        f"has it on Gateway {place.namespace}/{place.gateway}",
        limit="one route of a name on a Gateway: the one with the closer path, or the older one, is asked",
        remedy="Give Turnout a Gateway of its own. Or leave a legacy host out with --no-legacy-host.",
    )
