"""The Ray Serve application of a package: one deployment a model, and one that runs the graph in front.

    import_path: application:app, args: {root: PACKAGE}

`composition.json` at the package's root says which models there are, and which graph joins them. Replicas,
queues and resources of each deployment are said in the package's `serve.json`, by the deployment's name.
"""

import json
from pathlib import Path
from typing import Any

import graph  # type: ignore[import-not-found,unused-ignore]  # found beside this file, in the package
from loaders import Member  # type: ignore[import-not-found,unused-ignore]
from ray import serve

INGRESS = "Ingress"


class Served:
    """A replica of one model."""

    def __init__(self, root: str, entry: dict[str, str]) -> None:
        """Load the model."""
        self._member = Member(Path(root), entry)

    def __call__(self, body: dict[str, Any]) -> dict[str, Any]:
        """Answer one request."""
        return dict(self._member.answer(body))

    def ready(self) -> bool:
        """Whether requests are answered: a replica exists only once its model is loaded."""
        return True


class Composed:
    """A replica of the graph, which holds no model itself."""

    def __init__(self, nodes: dict[str, Any], members: dict[str, Any]) -> None:
        """Keep the graph and its members."""
        self._nodes = nodes
        self._members = members

    async def __call__(self, body: dict[str, Any]) -> dict[str, Any]:
        """Answer one request by the graph's root."""
        return dict(await graph.run(self._nodes, self._call, body))

    async def ready(self) -> bool:
        """Whether every member is."""
        for member in self._members.values():
            await member.ready.remote()
        return True

    async def _call(self, member: str, body: dict[str, Any]) -> dict[str, Any]:
        return dict(await self._members[member].remote(body))


def deployed(kind: type, name: str) -> Any:
    """A class as a deployment of that name."""
    return serve.deployment(name=name)(kind)


def app(args: dict[str, Any]) -> Any:
    """Build the application of the package whose root is `args["root"]`."""
    root = Path(args["root"])
    composition = json.loads((root / "composition.json").read_text())
    members = {
        name: deployed(Served, name).bind(str(root), entry) for name, entry in composition["members"].items()
    }
    if composition.get("nodes"):
        return deployed(Composed, INGRESS).bind(composition["nodes"], members)
    return members[INGRESS]
