"""A route as an API server keeps it, each call one step, so that tests can interleave writers."""

import copy

from tests.unit.router.stepping import Step
from turnout.domain.errors import InvalidInputError
from turnout.fabric.kubernetes.apply import ConflictError


class Stored:
    """One object with a version, as `gateway_api.writing.Store`; `step` is let go before each call.

    What of JSON Patch (RFC 6902) the way back uses: test, add, replace and remove of a member. The test of
    the same patches against a real API server is in tests/cluster.
    """

    def __init__(self, route, step: Step = lambda _: None) -> None:
        """Keep an object."""
        self.held = {"route": {**route, "metadata": {**route["metadata"], "resourceVersion": "1"}}}
        self._step = step

    def seen_by(self, step: Step) -> "Stored":
        """The same object for another process."""
        other = copy.copy(self)
        other._step = step
        return other

    def read(self, _model):
        """The object as it stands."""
        self._step("read")
        return copy.deepcopy(self.held["route"])

    def replace(self, route):
        """Whole, at the version that was read."""
        self._step("replace")
        if route["metadata"]["resourceVersion"] != self.held["route"]["metadata"]["resourceVersion"]:
            raise ConflictError("route", observed="written", limit="as read", remedy="again")
        return self._keep(route)

    def patch(self, _model, patch):
        """All of it, or nothing."""
        self._step("patch")
        made = copy.deepcopy(self.held["route"])
        for one in patch:
            *path, key = (part.replace("~1", "/").replace("~0", "~") for part in one["path"].split("/")[1:])
            where = made
            for part in path:
                where = where[part]
            if one["op"] == "remove":
                del where[key]
            elif one["op"] in ("add", "replace"):
                where[key] = one["value"]
            elif where.get(key) != one["value"]:
                raise InvalidInputError("route", observed="other", limit="as tested", remedy="again")
        return self._keep(made)

    def _keep(self, route):
        version = int(self.held["route"]["metadata"]["resourceVersion"]) + 1
        made = copy.deepcopy(route)
        made["metadata"]["resourceVersion"] = str(version)
        self.held["route"] = made
        return copy.deepcopy(made)
