"""What a Gateway's proxies tell of a request, as the line that the lab's Envoy writes of one. Pure.

The proxies choose an arm by choosing a host, so the arm is the first host that was tried: the candidate's
door, or legacy. What they send are OpenTelemetry log records; the attributes are those of `FIELDS`, set by
EnvoyProxy (deployments/kubernetes/base/gateway.yaml).

Of a request that was tried more than once its record has the last host and answer only: in Envoy 1.40
`UPSTREAM_HOSTS_ATTEMPTED` begins anew with each try. So each try that failed has a record of its own (`TRY`),
joined by the request's id; see `turnout.services.collector.joining`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from turnout.domain.errors import InvalidInputError
from turnout.domain.requests import Arm
from turnout.fabric.gateway_api import told
from turnout.fabric.gateway_api.policies import NEVER_SENT
from turnout.fabric.gateway_api.rules import LEGACY
from turnout.fabric.gateway_api.told import Told
from turnout.fabric.router.route_name import RouteName

FIELDS = {
    "turnout.route": "%METADATA(ROUTE:envoy-gateway:resources)%",
    "turnout.type": "%ACCESS_LOG_TYPE%",
    "turnout.id": "%CONNECTION_ID%-%START_TIME(%s%9f)%",
    "turnout.request": "%REQUEST_HEADER(X-REQUEST-ID)%",
    "turnout.start": "%START_TIME(%s.%6f)%",
    "turnout.status": "%RESPONSE_CODE%",
    "turnout.duration_us": "%COMMON_DURATION(DS_RX_BEG:DS_TX_END:us)%",
    "turnout.first_byte_us": "%COMMON_DURATION(DS_RX_BEG:US_RX_BEG:us)%",
    "turnout.duration_ms": "%DURATION%",
    "turnout.tries": "%UPSTREAM_REQUEST_ATTEMPT_COUNT%",
    "turnout.host": "%UPSTREAM_HOST%",
    "turnout.details": "%RESPONSE_CODE_DETAILS%",
    "turnout.flags": "%RESPONSE_FLAGS%",
}
"""Attributes of a request's record, and Envoy's command operators for them."""

TRY = {
    "turnout.try": "%REQUEST_HEADER(X-REQUEST-ID)%",
    "turnout.host": "%UPSTREAM_HOST%",
    "turnout.status": "%RESPONSE_CODE%",
}
"""Attributes of the record of a try that failed."""

OURS = f"'{told.KEY}' in xds.route_metadata.filter_metadata['envoy-gateway'].resources[0].annotations"
FAILED = "response.flags != 0 || response.code >= 300"
"""Of a try: no answer, or one that is asked for once more."""

_END, _UNDER_WAY = "DownstreamEnd", "DownstreamPeriodic"
_MISSING = ("", "-")


@dataclass(frozen=True, slots=True)
class Try:
    """One try that failed.

    Attributes:
        host: Who was asked.
        status: The answer; 0 where there was none.
    """

    host: str
    status: int


@dataclass(frozen=True, slots=True)
class Entry:
    """A request as one line tells of it.

    Attributes:
        told: State of the route that took it.
        namespace: Of the HTTPRoute.
        request: The request's id that its tries have, too; empty where it has none.
        line: What is written, as the lab's Envoy writes it.
        waits: It was tried more than once: who was asked first is still to be told.
    """

    told: Told
    namespace: str
    request: str
    line: dict[str, Any]
    waits: bool = False

    @property
    def model(self) -> str:
        """Whose."""
        return self.told.model

    def after(self, first: Try | None) -> "Entry":
        """The same request with its first try; None: nothing is known of it, and the candidate failed.

        What the door sent to nobody was no try of the candidate.
        """
        arm = _C if first is None or self.told.is_door(first.host) else _L
        unsent = arm is _C and first is not None and first.status == NEVER_SENT
        line = {**self.line, "route": _name(self.told, arm, self.told.weight)}
        line["tries"] -= unsent
        return Entry(self.told, self.namespace, self.request, line)


_C, _L = Arm.CANDIDATE, Arm.LEGACY


def entry(attributes: Mapping[str, str]) -> Entry | None:
    """Read a record of a request.

    Args:
        attributes: By the names of `FIELDS`.

    Returns:
        The request; None where nothing can be told yet (no host is chosen), and of other kinds of records.

    Raises:
        InvalidInputError: It is not a record of a route of ours.
    """
    try:
        return _entry(attributes)
    except (KeyError, ValueError, TypeError, IndexError) as error:
        raise InvalidInputError(
            "access log of a Gateway",
            observed=f"a record that is not readable ({type(error).__name__}: {error})",
            limit=f"the attributes {', '.join(FIELDS)}",
            remedy="Set the proxies' telemetry as deployments/kubernetes/base/gateway.yaml has it.",
        ) from error


def failed(attributes: Mapping[str, str]) -> tuple[str, Try] | None:
    """Read a record of a try: the request's id, and the try; None where it is no such record."""
    request = _text(attributes, "try")
    if request is None:
        return None
    status = _text(attributes, "status") or ""
    return request, Try(_text(attributes, "host") or "", int(status) if status.isdecimal() else 0)


def _entry(attributes: Mapping[str, str]) -> Entry | None:
    kind = attributes["turnout.type"]
    if kind not in (_END, _UNDER_WAY):
        return None
    [resource, *_] = orjson.loads(attributes["turnout.route"])
    route = told.parse(resource["annotations"][told.KEY])
    if (resource["kind"], resource["name"]) != ("HTTPRoute", route.model):
        raise ValueError(f"{resource['kind']} {resource['name']} tells of {route.model}")
    host, fields = _text(attributes, "host"), _fields(attributes)
    if host is None and kind == _UNDER_WAY:
        return None
    by = None if host is None else _C if route.is_door(host) else _L
    again, shared = fields["tries"] > 1, resource.get("sectionName") != LEGACY
    # Weight 0 where chance had no part in it. What is under way at its second try had the candidate first.
    weight = route.weight if by and shared else 0.0
    name = _name(route, _C if again and shared else by or _L, weight)
    return Entry(
        told=route,
        namespace=str(resource["namespace"]),
        request=_text(attributes, "request") or "",
        line={"type": kind, **fields, "route": name, "arm": by},
        waits=again and shared and kind == _END,
    )


def _name(route: Told, arm: Arm, weight: float) -> str:
    return str(RouteName(arm, route.model, route.attempt, route.version, weight, captured=False))


def _fields(attributes: Mapping[str, str]) -> dict[str, Any]:
    return {
        "id": attributes["turnout.id"],
        "start": str(float(attributes["turnout.start"])),
        "status": _number(attributes, "status") or 0,
        "duration_us": _number(attributes, "duration_us"),
        "first_byte_us": _number(attributes, "first_byte_us"),
        "duration_ms": _number(attributes, "duration_ms") or 0,
        "tries": _number(attributes, "tries") or 0,
        "details": _text(attributes, "details"),
        "flags": _text(attributes, "flags"),
    }


def _text(attributes: Mapping[str, str], name: str) -> str | None:
    value = attributes.get(f"turnout.{name}", "")
    return None if value in _MISSING else value


def _number(attributes: Mapping[str, str], name: str) -> int | None:
    value = _text(attributes, name)
    return None if value is None else int(value)
