"""Evidence as tables: a row an exchange, a request, a class, an input or a replay.

What suites are held against. Pure; `tasks.baseline`, `tasks.package` and `tasks.shadow` give what they have
gathered. Owners write their expectations on these columns (docs/expectations.md): more may come, but none may
change its meaning.
"""

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from turnout.domain.expectations import MOST_ROWS, Cell, Evidenced, Table
from turnout.domain.golden import Capture, Usable
from turnout.domain.request_inputs import Leaf, inputs_of, nulls_in
from turnout.domain.requests import Arm, ComparisonRecord, RequestRecord

EXCERPT = 200
"""Characters of a body that a row shows."""


def captured_traffic(usable: Sequence[Usable], others: Sequence[Capture], *, now_seconds: float) -> Table:
    """What was captured of legacy's answers, oldest first.

    Args:
        usable: Captures that can stand in a golden set.
        others: All others; what the candidate answered tells nothing of legacy and is left out.
        now_seconds: Unix time.
    """
    exchanges = [(one.capture, True) for one in usable]
    exchanges += [(one, False) for one in others if (one.get("answered_by") or one.get("arm")) == Arm.LEGACY]
    exchanges.sort(key=lambda one: _number(one[0].get("at")))
    return Table(
        Evidenced.CAPTURED_TRAFFIC,
        ("row", "age_seconds", "usable", "status", "path", "request_bytes", "null_inputs", "request"),
        [
            (row, now_seconds - _number(capture.get("at")), int(good), _status(capture),
             str(capture.get("path", "")), len(str(capture.get("request", ""))),
             _null_inputs(_parsed(capture, "request")), _excerpt(capture.get("request")))
            for row, (capture, good) in enumerate(exchanges[-MOST_ROWS:])
        ],
    )  # fmt: skip


def golden_set(captures: Iterable[Capture], classes: Sequence[Iterable[str]] = ()) -> Table:
    """The golden set, a row a request.

    Args:
        captures: Its lines.
        classes: The classes of each one's answer, where they are known.
    """
    known = [", ".join(sorted(labels)) for labels in classes]
    return Table(
        Evidenced.GOLDEN_SET,
        ("row", "request_sha256", "null_inputs", "null_answers", "answer_class", "request", "answer"),
        [
            (row, hashlib.sha256(str(one.get("request")).encode()).hexdigest(),
             _null_inputs(_parsed(one, "request")), _null_answers(_parsed(one, "response")),
             known[row] if row < len(known) else None,
             _excerpt(one.get("request")), _excerpt(one.get("response")))
            for row, one in enumerate(captures)
        ],
    )  # fmt: skip


def golden_classes(captured: Sequence[Usable], golden: Sequence[Usable]) -> Table:
    """Each class that legacy answered in the captured traffic, and how often the golden set has it."""
    seen = Counter(label for one in captured for label in one.classes)
    kept = Counter(label for one in golden for label in one.classes)
    return Table(
        Evidenced.GOLDEN_CLASSES,
        ("row", "answer_class", "captured", "golden"),
        [(row, label, seen[label], kept[label]) for row, label in enumerate(sorted(seen))],
    )


def golden_inputs(captured: Sequence[Usable], golden: Sequence[Usable]) -> Table:
    """Each input of the model, and what the golden set covers of its range; of texts it is their length."""
    seen, kept = _inputs(captured), _inputs(golden)
    return Table(
        Evidenced.GOLDEN_INPUTS,
        ("row", "input", "kind", "golden_lowest", "golden_highest", "golden_distinct", "golden_nulls",
         "traffic_lower_quartile", "traffic_upper_quartile"),
        [(row, name, *_covered(kept.get(name, []), seen[name])) for row, name in enumerate(sorted(seen))],
    )  # fmt: skip


def baseline(requests: Sequence[RequestRecord], *, streaming: bool, now_seconds: float) -> Table:
    """Legacy's own requests, oldest first; the latency of a stream is that of its first byte."""
    return Table(
        Evidenced.BASELINE,
        ("row", "age_seconds", "duration_seconds", "latency_seconds", "answered", "status"),
        [
            (row, now_seconds - one.started_seconds, one.duration_seconds,
             one.first_byte_seconds if streaming else one.duration_seconds, int(one.answered), one.status)
            for row, one in enumerate(sorted(requests, key=lambda r: r.started_seconds)[-MOST_ROWS:])
        ],
    )  # fmt: skip


def shadow_samples(comparisons: Sequence[ComparisonRecord], *, now_seconds: float) -> Table:
    """Compared replays of what legacy had answered, oldest first."""
    own = [one for one in comparisons if one.captured_from is Arm.LEGACY]
    return Table(
        Evidenced.SHADOW_SAMPLES,
        ("row", "age_seconds", "failed", "asked_again", "differs", "candidate_seconds", "legacy_seconds"),
        [
            (row, now_seconds - one.at_seconds, _failed(one), int(one.old_differs is not None),
             int(one.new_differs), one.candidate_seconds, one.legacy_seconds)
            for row, one in enumerate(own[-MOST_ROWS:])
        ],
    )  # fmt: skip


def _failed(one: ComparisonRecord) -> str:
    """Which side did not answer the replay: nobody, candidate, legacy or both."""
    legacy = one.old_differs is not None and one.legacy_seconds is None
    return {(False, False): "nobody", (True, False): "candidate", (False, True): "legacy"}.get(
        (one.new_failed, legacy), "both"
    )


def _inputs(found: Sequence[Usable]) -> dict[str, list[Leaf]]:
    values: defaultdict[str, list[Leaf]] = defaultdict(list)
    for one in found:
        for name, leaves in inputs_of(_parsed(one.capture, "request")).items():
            values[name] += leaves
    return values


def _covered(golden: Sequence[Leaf], traffic: Sequence[Leaf]) -> tuple[Cell, ...]:
    """What the golden set has of one input, beside the middle half of what traffic asks."""
    kept, seen = _measurable(golden), _measurable(traffic)
    low, high = (
        float(np.quantile(seen, share, method="nearest")) if seen else None for share in (0.25, 0.75)
    )
    lowest, highest = (min(kept), max(kept)) if kept else (None, None)
    nulls = sum(leaf is None for leaf in golden)
    return (_kind(traffic), lowest, highest, len({json.dumps(leaf) for leaf in golden}), nulls, low, high)


def _measurable(leaves: Iterable[Leaf]) -> list[float]:
    return [float(len(leaf)) if isinstance(leaf, str) else float(leaf) for leaf in leaves if leaf is not None]


def _kind(leaves: Iterable[Leaf]) -> str:
    kinds = {"text" if isinstance(leaf, str) else "number" for leaf in leaves if leaf is not None}
    return kinds.pop() if len(kinds) == 1 else "mixed" if kinds else "null"


def _null_inputs(request: Any) -> int:
    """Nulls among the model's inputs; an option that a client leaves null is none of them."""
    if isinstance(request, dict) and isinstance(request.get("instances"), list):
        return nulls_in(request["instances"])
    if isinstance(request, dict) and isinstance(request.get("inputs"), list):
        return sum(nulls_in(one.get("data")) for one in request["inputs"] if isinstance(one, dict))
    return 0


def _null_answers(answer: Any) -> int:
    """Nulls among the model's answers; what else stands around them may be null as it likes."""
    if isinstance(answer, dict) and isinstance(answer.get("predictions"), list):
        return nulls_in(answer["predictions"])
    if isinstance(answer, dict) and isinstance(answer.get("outputs"), list):
        return sum(nulls_in(one.get("data")) for one in answer["outputs"] if isinstance(one, dict))
    return 0


def _parsed(capture: Mapping[str, Any], side: str) -> Any:
    """A body; None, which is no null value of it, where it is not JSON."""
    try:
        return json.loads(capture[side])
    except (ValueError, LookupError, TypeError, RecursionError):
        return {}


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def _status(capture: Capture) -> int | None:
    status = capture.get("status")
    return status if isinstance(status, int) else None


def _excerpt(body: Any) -> str:
    text = "" if body is None else str(body)
    return text if len(text) <= EXCERPT else f"{text[:EXCERPT]}…"
