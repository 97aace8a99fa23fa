"""What becomes of a model's HTTPRoute: pure decisions, each a whole object or one patch.

Raises are whole objects, written at the version of the object that was read. The way back is a patch that
asks the API server for one thing only: that the live attempt is the one that was seen. So no write of a
weight, a lease, a capture share or a status can make it fail, and the server itself brings it in beside
whatever is written meanwhile.
"""

import copy

from turnout.domain.errors import RefusedError
from turnout.domain.route import Opening, Registration, RouteChange, Tombstone
from turnout.fabric.gateway_api import record
from turnout.fabric.gateway_api.place import GATEWAY_API, Object, Place, metadata
from turnout.fabric.gateway_api.record import NONE, Record, number_of, over_key, parse, words
from turnout.fabric.gateway_api.rules import is_shielded, rules
from turnout.fabric.gateway_api.told import ANNOTATION, told
from turnout.fabric.router.refusals import occupied, tombstoned
from turnout.fabric.router.standing import Standing, changed, opened

REASON_CHARACTERS = 1000
NAME_CHARACTERS = 100
ROOM_BYTES = 200_000
"""For all annotations; the API server takes 262,144, and a rollback must never be too large."""
Patch = list[Object]


def found(place: Place, registration: Registration) -> Object:
    """The HTTPRoute of a model that is not known yet: everything to legacy."""
    made = Record(registration=registration, legacy=Standing(model=registration.model))
    meta = metadata(place, registration.model, registration.model)
    return {
        "apiVersion": f"{GATEWAY_API}/v1",
        "kind": "HTTPRoute",
        "metadata": {**meta, "annotations": made.annotations()},
        "spec": {**_attached(place, registration), "rules": made.rules()},
    }


def registered(route: Object, place: Place, registration: Registration) -> Object | None:
    """The route of a known model after registering it again; None where nothing changes.

    Who names no hostnames takes none away: a flow that makes other servers the stable ones knows none.
    """
    known = parse(route)
    if not registration.hostnames:
        registration = registration.model_copy(update={"hostnames": known.registration.hostnames})
    legacy = known.legacy
    if known.registration.policy != registration.policy and known.live is None:
        legacy = legacy.model_copy(update={"number": legacy.number + 1})
    made = _written(route, known.model_copy(update={"registration": registration, "legacy": legacy}))
    made["spec"] |= _attached(place, registration)
    return made if made != route else None


def opening(route: Object, wanted: Opening) -> Object | None:
    """The route with an attempt live, at weight 0 when it is new; None where it is live alike.

    Raises:
        RefusedError: The attempt is over, or another one is live.
    """
    known = parse(route)
    if known.is_over(wanted.attempt):
        grave = known.tombstone(wanted.attempt)
        raise tombstoned(wanted.attempt, grave.reason if grave else None)
    if known.attempt not in (None, wanted.attempt):
        raise occupied(wanted.model, str(known.attempt), wanted.attempt)
    live = known.live or opened(known.legacy, wanted.attempt)
    made = _written(route, known.model_copy(update={"live": live, "opening": wanted}))
    return made if made != route else None


def change(route: Object, wanted: RouteChange) -> Object:
    """The route after a change of weight or capture.

    Raises:
        RefusedError: The attempt is not the live one, or the state is no longer what was read.
    """
    known = parse(route)
    read = wanted.read_version
    if read == known.version:  # also one that somebody brought about by hand: it was seen, and is set right
        read = known.now.version
    elif read == known.now.version:
        raise _touched(known)
    after = changed(known.now, wanted.model_copy(update={"read_version": read}))
    return _written(route, known.model_copy(update={"live" if known.live else "legacy": after}))


def ending(route: Object, tombstone: Tombstone) -> Patch | None:
    """The patch that sends everything to legacy and ends an attempt; None where it is over already.

    Args:
        route: As it was read.
        tombstone: Its words; cut to what there is room for.
    """
    known = parse(route)
    if known.is_over(tombstone.attempt):
        return None
    key = _annotation(over_key(number_of(tombstone.attempt)))
    patch: Patch = [
        {"op": "test", "path": _annotation(record.ATTEMPT), "value": known.attempt or NONE},
        {"op": "test", "path": key, "value": None},
        {"op": "add", "path": key, "value": words(_cut(tombstone))},
        *_room(known),
    ]
    return [*patch, *_legacy(known)] if known.attempt == tombstone.attempt else patch


def _legacy(known: Record) -> Patch:
    text = str(told(known.legacy, known.registration))
    after = {record.ATTEMPT: NONE, record.LIVE: NONE, record.OPENING: NONE, ANNOTATION: text}
    return [
        {"op": "replace", "path": "/spec/rules", "value": rules(known.legacy, known.policy, kept=True)},
        *({"op": "add", "path": _annotation(key), "value": value} for key, value in after.items()),
    ]


def _room(known: Record) -> Patch:
    """Take the oldest tombstones' words away where another one's would not fit; what is over stays over."""
    used, through, patch = record.size(known.annotations()), known.over_through, []
    for number in sorted(known.over):
        if used <= ROOM_BYTES:
            break
        used -= len(words(known.over[number]).encode())
        through = max(through, number)
        patch.append({"op": "remove", "path": _annotation(over_key(number))})
    if not patch:
        return []
    return [*patch, {"op": "replace", "path": _annotation(record.OVER_THROUGH), "value": str(through)}]


def _cut(tombstone: Tombstone) -> Tombstone:
    short = {"reason": tombstone.reason[:REASON_CHARACTERS], "by": tombstone.by[:NAME_CHARACTERS]}
    return tombstone.model_copy(update=short)


def _attached(place: Place, registration: Registration) -> Object:
    names = list(registration.hostnames) or place.hostnames(registration.model)
    return {"parentRefs": [place.parent()], **({"hostnames": names} if names else {})}


def _written(route: Object, known: Record) -> Object:
    """A route with a record in it, and everything else as it was."""
    made = copy.deepcopy(route)
    made["metadata"]["annotations"] = {**(route["metadata"].get("annotations") or {}), **known.annotations()}
    made["spec"]["rules"] = known.rules(kept=is_shielded(route))
    return made


def _annotation(key: str) -> str:
    return "/metadata/annotations/" + key.replace("~", "~0").replace("/", "~1")


def _touched(known: Record) -> RefusedError:
    return RefusedError(
        f"route of {known.registration.model}",
        observed=f"version {known.version}: its weights were changed by somebody else",
        limit=f"version {known.now.version}, on which the change was decided",
        remedy="Find out who edits the HTTPRoute; then read the route again and decide anew.",
    )
