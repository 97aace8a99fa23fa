"""Finds a model's InferenceService on a cluster, and where its servers answer there; changes nothing."""

from typing import Any

from turnout.domain import legacy_address
from turnout.domain.errors import NotFoundError, RefusedError
from turnout.domain.route import Backend
from turnout.fabric.kubernetes.apply import Applier

Object = dict[str, Any]
_ROOT = "/apis/serving.kserve.io/v1beta1"


class InferenceServices:
    """The InferenceServices of a cluster, each by its model's name.

    Args:
        api: The connection; its user needs list on `inferenceservices` and get on `services`.
        namespaces: Only these; all of them without any.
    """

    def __init__(self, api: Applier, namespaces: tuple[str, ...] = ()) -> None:
        """Keep where to look; nothing is called yet."""
        self._api = api
        self._namespaces = namespaces

    def find(self, model: str) -> Object:
        """The InferenceService of a name.

        Raises:
            NotFoundError: There is none.
            RefusedError: There are several, in different namespaces.
            UnreachableError: No answer.
        """
        query = {"fieldSelector": f"metadata.name={model}"}
        found: list[Object] = [
            item
            for path in self._paths()
            for item in self._api.call("GET", path, query, named="InferenceServices")["items"]
        ]
        if len(found) > 1:
            raise _several(model, found)
        if not found:
            raise NotFoundError(
                f"InferenceService {model}", observed=f"none in {self._where()}", limit="one of that name",
                remedy="Correct the name; `turnout discover` lists the models.",
            )  # fmt: skip
        return found[0]

    def address(self, model: str) -> Backend:
        """Where a model's legacy servers answer inside the cluster.

        Raises:
            NotFoundError: No such InferenceService, or its Service is gone.
            RefusedError: There are several, in different namespaces.
            TemporaryError: KServe has published no address yet.
            UnsupportedError: It cannot be called by an address alone; the settings have to name one.
        """
        found = self.find(model)
        namespace, name = legacy_address.service_of(found)
        path = f"/api/v1/namespaces/{namespace}/services/{name}"
        return legacy_address.address(found, self._api.call("GET", path, named=f"Service {namespace}/{name}"))

    def _paths(self) -> list[str]:
        within = [f"/namespaces/{one}" for one in self._namespaces] or [""]
        return [f"{_ROOT}{one}/inferenceservices" for one in within]

    def _where(self) -> str:
        return f"namespaces {', '.join(self._namespaces)}" if self._namespaces else "any namespace"


def _several(model: str, found: list[Object]) -> RefusedError:
    names = ", ".join(f"{one['metadata']['namespace']}/{model}" for one in found)
    return RefusedError(
        f"InferenceService {model}", observed=f"several of that name: {names}",
        limit="one model of a name: the route is named after it",
        remedy="Set `namespaces` in turnout.yaml to those whose models are moved.",
    )  # fmt: skip
