"""HTTPRoutes as the API server holds them: read, made, replaced or deleted at a version, patched."""

from turnout.domain.errors import NotFoundError, TemporaryError
from turnout.fabric.gateway_api.deciding import Patch
from turnout.fabric.gateway_api.place import GATEWAY_API, Object, Place
from turnout.fabric.kubernetes.apply import FIELD_MANAGER, JSON_PATCH, Applier
from turnout.fabric.router.refusals import unknown

_WRITTEN_BY = {"fieldManager": FIELD_MANAGER, "fieldValidation": "Strict"}


class Routes:
    """The HTTPRoutes of one namespace.

    Args:
        api: The connection.
        place: Where they are.
    """

    def __init__(self, api: Applier, place: Place) -> None:
        """Keep where they are; nothing is called yet."""
        self._api = api
        self._all = f"/apis/{GATEWAY_API}/v1/namespaces/{place.namespace}/httproutes"

    def read(self, model: str) -> Object:
        """Read a model's route.

        Raises:
            NotFoundError: No such model.
            UnreachableError: No answer.
        """
        try:
            return self._api.call("GET", f"{self._all}/{model}", named=f"HTTPRoute {model}")
        except NotFoundError as error:
            raise unknown(model, self.models()) from error

    def all(self) -> list[Object]:
        """The routes of all registered models."""
        ours = {"labelSelector": "app.kubernetes.io/managed-by=turnout"}
        found: list[Object] = self._api.call("GET", self._all, ours, named="HTTPRoutes")["items"]
        return found

    def models(self) -> list[str]:
        """Names of the registered models."""
        return sorted(each["metadata"]["name"] for each in self.all())

    def make(self, route: Object) -> Object:
        """Create a route.

        Raises:
            ConflictError: There is one of that name.
        """
        return self._api.call("POST", self._all, _WRITTEN_BY, route, named=_named(route))

    def replace(self, route: Object) -> Object:
        """Replace a route that has not been written since it was read.

        Raises:
            ConflictError: It has.
        """
        path = f"{self._all}/{route['metadata']['name']}"
        return self._api.call("PUT", path, _WRITTEN_BY, route, named=_named(route))

    def patch(self, model: str, patch: Patch) -> Object:
        """Change a route wherever it stands, if what the patch tests holds.

        Raises:
            TurnoutError: It does not, or the API server does not take it.
        """
        path = f"{self._all}/{model}"
        return self._api.call(
            "PATCH", path, _WRITTEN_BY, patch, named=f"HTTPRoute {model}", content=JSON_PATCH
        )

    def delete(self, route: Object) -> None:
        """Delete a route that has not been written since it was read.

        Raises:
            ConflictError: It has.
            NotFoundError: It is gone.
        """
        path = f"{self._all}/{route['metadata']['name']}"
        version = {"preconditions": {"resourceVersion": route["metadata"]["resourceVersion"]}}
        options = {"apiVersion": "v1", "kind": "DeleteOptions", **version}
        self._api.call("DELETE", path, {}, options, named=_named(route))


def unreported(model: str, seconds: float, lacking: str) -> TemporaryError:
    """The error of a report that did not come in time."""
    return TemporaryError(
        f"route of {model}",
        observed=f"not reported within {seconds:g} s: {lacking}",
        limit="the Gateway's report that it follows the route",
        remedy="Look at the conditions of the HTTPRoute and the log of Envoy Gateway, then try again.",
    )


def _named(route: Object) -> str:
    return f"HTTPRoute {route['metadata']['name']}"
