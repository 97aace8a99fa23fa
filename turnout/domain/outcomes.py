"""When a request is bad, and the counts of requests whose end is known.

What is bad, for both arms alike:
- An **error**: answered with an error, or not answered well by its own arm within `error_seconds` of its
start.
  That is the time of one try on the candidate, after which the router asks legacy instead. Legacy is held to
  the same time although its clients wait longer: otherwise trouble that both arms share would convict the
  candidate alone. A candidate's request that legacy answered is an error of the candidate, and rescued.
- **Slow**: not finished within `slow_seconds` of its start. A request that failed fast is an error, not slow.
- **Slow first**, where it is guarded: the first byte of its answer not there within `first_token_seconds`. A
  request that failed fast without a byte is an error, not slow.

Of a model that **streams**, the time of its first byte takes the place of the time of the whole answer, so
that an answer of hours holds nothing up. An answer that breaks within `error_seconds` of its start is an
error of its second; one that breaks later is an error of the second in which it breaks (`breaks_late`).

Counted in neither arm: a request that the router sent to legacy because the candidate was not armed
(diverted), and one whose client left within `slow_seconds`, for nobody knows how it would have ended. A
client that left later counts as slow, and after `error_seconds` as an error.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from turnout.domain.contract import Bounds
from turnout.domain.looks import ArmCounts, Look, Pairs
from turnout.domain.requests import UNDER_WAY_SECONDS, Arm, RequestRecord
from turnout.domain.route import RoutePolicy

CLIENT_LEFT = 0
"""Status of a request whose client went away before the answer."""


@dataclass(frozen=True, slots=True)
class CountingRules:
    """Times after a request's start at which it is judged.

    Attributes:
        slow_seconds: Longer than this is slow (D).
        error_seconds: Not answered well by its own arm after this time is an error.
        rescue_seconds: Time that legacy has to answer in the candidate's place, to be seen as a rescue.
        settle_seconds: Time that the router's log may take to reach the reader.
        starts_logged: Requests in flight are among the records, so that a second whose requests are all
            answered is complete. Without, each second waits for the longest of the times.
        deterministic: Comparisons without a second answer of legacy count as if legacy agreed with itself;
            else they are left out, for there is no noise floor to hold them against.
        streaming: Requests are judged by the first byte of their answer.
        first_token_seconds: A first byte that comes later is late; None: first bytes are not counted.
    """

    slow_seconds: float
    error_seconds: float
    rescue_seconds: float
    settle_seconds: float = 0.5
    starts_logged: bool = True
    deterministic: bool = False
    streaming: bool = False
    first_token_seconds: float | None = None

    @classmethod
    def of(
        cls,
        bounds: Bounds,
        policy: RoutePolicy,
        *,
        settle_seconds: float = 0.5,
        starts_logged: bool = True,
        deterministic: bool = False,
    ) -> "CountingRules":
        """Take the rules from a contract: an error is what one try on the candidate may not take."""
        return cls(
            slow_seconds=bounds.slow_seconds,
            error_seconds=policy.try_seconds,
            rescue_seconds=bounds.slow_seconds,
            settle_seconds=settle_seconds,
            starts_logged=starts_logged,
            deterministic=deterministic,
            streaming=policy.streaming,
            first_token_seconds=bounds.first_token_seconds,
        )

    def known_after_seconds(self, arm: Arm) -> float:
        """Time after its start at which everything about a request is known, whether it ended or not."""
        by_first_byte = self.streaming or self.first_token_seconds is not None
        return self.judged_after_seconds(arm) + (UNDER_WAY_SECONDS if by_first_byte else 0.0)

    def judged_after_seconds(self, arm: Arm) -> float:
        """The longest of the limits; what happens later than this after a request's start changes nothing."""
        rescue = self.rescue_seconds if arm is Arm.CANDIDATE else 0.0
        return max(self.slow_seconds, self.error_seconds + rescue, self.first_token_seconds or 0.0)


def count(
    records: Sequence[RequestRecord],
    rules: CountingRules,
    *,
    weight: float,
    pairs: Pairs = Pairs(),  # noqa: B008 -- frozen
    broken: Sequence[RequestRecord] = (),
    at_seconds: float = 0.0,
    seconds: float = 1.0,
) -> Look:
    """Count requests that started under one weight, all of them ended or past every time limit.

    Args:
        records: The requests.
        rules: When a request is bad.
        weight: The weight.
        pairs: Comparisons of this time.
        broken: Answers that broke late, in this time: each was counted as good when it began, and counts here
            once more, as an error. That is a little milder than to take the good one back. They began under
            this weight or a smaller one, so legacy's weigh at least what they should.
        at_seconds: Unix time of the look.
        seconds: Length of the look.
    """
    return Look(
        weight=weight,
        legacy=_arm(records, broken, rules, Arm.LEGACY),
        candidate=_arm(records, broken, rules, Arm.CANDIDATE),
        seconds=seconds,
        pairs=pairs,
        diverted=sum(r.diverted for r in records),
        at_seconds=at_seconds,
    )


def is_error(record: RequestRecord, rules: CountingRules) -> bool:
    """Whether a request was not answered well by its own arm in time."""
    took = _answer_seconds(record, rules)
    if took is None or took > rules.error_seconds or (record.broken and not _ends_late(record, rules)):
        return True
    return record.status != CLIENT_LEFT and (record.rescued or not record.answered)


def is_slow(record: RequestRecord, rules: CountingRules) -> bool:
    """Whether a request had not finished within the slow limit."""
    took = _answer_seconds(record, rules)
    return took is None or took > rules.slow_seconds


def is_slow_first(record: RequestRecord, rules: CountingRules) -> bool:
    """Whether the first byte of a request's answer was not there within its limit."""
    if rules.first_token_seconds is None:
        return False
    first = record.first_byte_seconds
    took = record.duration_seconds if first is None else first
    return took is None or took > rules.first_token_seconds


def breaks_late(record: RequestRecord, rules: CountingRules) -> bool:
    """Whether an answer that streams began well, in its own arm, and broke after its request was judged."""
    good = not record.diverted and not is_error(record, rules)
    return record.broken and _ends_late(record, rules) and good


def _answer_seconds(record: RequestRecord, rules: CountingRules) -> float | None:
    """Time to the answer, or to its first byte where it streams; None while it is not there."""
    if rules.streaming and record.first_byte_seconds is not None:
        return record.first_byte_seconds
    return record.duration_seconds


def _ends_late(record: RequestRecord, rules: CountingRules) -> bool:
    took = record.duration_seconds
    return rules.streaming and (took is None or took > rules.error_seconds)


def _arm(
    records: Sequence[RequestRecord], broken: Sequence[RequestRecord], rules: CountingRules, arm: Arm
) -> ArmCounts:
    mine = [r for r in records if r.arm is arm]
    late = sum(r.arm is arm for r in broken)
    judged = [r for r in mine if not r.diverted and not _left_early(r, rules)]
    return ArmCounts(
        requests=len(judged) + late,
        errors=sum(is_error(r, rules) for r in judged) + late,
        slow=sum(is_slow(r, rules) for r in judged),
        rescued=sum(_rescued_in_time(r, rules) for r in judged),
        slow_first=None
        if rules.first_token_seconds is None
        else sum(is_slow_first(r, rules) for r in judged),
    )


def _left_early(record: RequestRecord, rules: CountingRules) -> bool:
    return record.status == CLIENT_LEFT and not is_slow(record, rules)


def _rescued_in_time(record: RequestRecord, rules: CountingRules) -> bool:
    # A later rescue would be seen or not depending on when the log was read.
    longest, took = rules.judged_after_seconds(record.arm), _answer_seconds(record, rules)
    return record.rescued and took is not None and took <= longest
