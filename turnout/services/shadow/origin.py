"""Who chose an exchange's arm and who answered it, from what the router tells of both."""

from typing import Any

from turnout.domain.errors import InvalidInputError
from turnout.domain.requests import Arm
from turnout.fabric.router import route_name
from turnout.services.shadow.exchange import Origin

_FILTER = "envoy.filters.http.ext_proc"
_ROUTE, _ANSWERED_BY = "xds.route_name", "xds.upstream_host_metadata"


class Attributes:
    """The attributes of one exchange; the router sends them with the headers of each side."""

    def __init__(self) -> None:
        """Begin with none."""
        self._route = ""
        self._host = ""

    def add(self, attributes: Any) -> None:
        """Take the attributes of one message (a map of filter name to struct; often empty)."""
        if _FILTER not in attributes:
            return
        fields = attributes[_FILTER].fields
        if _ROUTE in fields:
            self._route = fields[_ROUTE].string_value
        if _ANSWERED_BY in fields:
            self._host = fields[_ANSWERED_BY].string_value

    def origin(self) -> Origin | None:
        """Who chose and who answered; None where the router told no route of ours."""
        try:
            name = route_name.parse(self._route)
        except InvalidInputError:
            return None
        return Origin(model=name.model, attempt=name.attempt, arm=name.arm, answered_by=self._answered_by())

    def _answered_by(self) -> Arm | None:
        """The arm in the metadata of the host that answered, which comes as protobuf text."""
        named = [arm for arm in Arm if f'string_value: "{arm.value}"' in self._host]
        return named[0] if len(named) == 1 else None
