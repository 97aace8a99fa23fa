"""Who chose an exchange's arm and who answered it, from what the router tells of both.

The lab's Envoy tells the route's name, which has the arm, and the metadata of the host that answered. A
Gateway's proxy tells the route's metadata, the address that answered and how many were asked: where one was,
it was chosen, too; where more were, the candidate was first as far as anybody can tell, and legacy answered.
"""

import re
from typing import Any

from turnout.domain.errors import InvalidInputError
from turnout.domain.requests import Arm
from turnout.fabric.gateway_api import told
from turnout.fabric.gateway_api.told import Told
from turnout.fabric.router import route_name
from turnout.services.shadow.exchange import Origin

_FILTER = "envoy.filters.http.ext_proc"
_ROUTE, _ANSWERED_BY = "xds.route_name", "xds.upstream_host_metadata"
_STATE, _ADDRESS, _TRIES = "xds.route_metadata", "upstream.address", "upstream.request_attempt_count"
_TOLD = re.compile(r'string_value:\s*"(model=[^"\\]*)"')


class Attributes:
    """The attributes of one exchange; the router sends them with the headers of each side."""

    def __init__(self) -> None:
        """Begin with none."""
        self._texts: dict[str, str] = {}
        self._tries = 0

    def add(self, attributes: Any) -> None:
        """Take the attributes of one message (a map of filter name to struct; often empty)."""
        if _FILTER not in attributes:
            return
        fields = attributes[_FILTER].fields
        for name in (_ROUTE, _ANSWERED_BY, _STATE, _ADDRESS):
            if name in fields:
                self._texts[name] = fields[name].string_value
        if _TRIES in fields:
            self._tries = int(fields[_TRIES].number_value)

    def share(self) -> float:
        """Share of such exchanges that is to be kept: what the lab's Envoy sends is that share already."""
        state = self._told()
        return state.capture_share if state else 1.0

    def origin(self) -> Origin | None:
        """Who chose and who answered; None where the router told no route of ours."""
        if state := self._told():
            return self._behind_gateway(state)
        try:
            name = route_name.parse(self._texts.get(_ROUTE, ""))
        except InvalidInputError:
            return None
        return Origin(model=name.model, attempt=name.attempt, arm=name.arm, answered_by=self._answered_by())

    def _told(self) -> Told | None:
        """The state of a Gateway's route, in its metadata, which comes as protobuf text."""
        found = _TOLD.search(self._texts.get(_STATE, ""))
        if found is None:
            return None
        try:
            return told.parse(found[1])
        except InvalidInputError:
            return None

    def _behind_gateway(self, state: Told) -> Origin:
        address = self._texts.get(_ADDRESS)
        by = None if not address else Arm.CANDIDATE if state.is_door(address) else Arm.LEGACY
        arm = Arm.CANDIDATE if self._tries > 1 else by or Arm.LEGACY
        return Origin(model=state.model, attempt=state.attempt, arm=arm, answered_by=by)

    def _answered_by(self) -> Arm | None:
        """The arm in the metadata of the host that answered, which comes as protobuf text."""
        named = [arm for arm in Arm if f'string_value: "{arm.value}"' in self._texts.get(_ANSWERED_BY, "")]
        return named[0] if len(named) == 1 else None
