"""One fault on one model's migration, from when it was put in to what was seen of it."""

from dataclasses import dataclass

from turnout.domain.attempt import End
from turnout.domain.requests import RequestRecord
from turnout.lab.drills.drill import CANDIDATE, ENVOY, Drill
from turnout.lab.drills.injections import Injected
from turnout.lab.drills.observed import Evidence, Observation, Request
from turnout.lab.drills.processes import Moving
from turnout.lab.drills.promises import explained
from turnout.lab.drills.watching import Clients, RouteLog, ended, served_by_candidate


@dataclass
class Shot:
    """What is known of it while the campaign runs.

    Attributes:
        drill: The drill, in this migration's own stage.
        moving: The migration.
        began: When the fault was put in, Unix time.
        done: What was done.
        lease: After how many seconds the candidate has to be without traffic; None: it need not.
        known: Digests of the evidence before the fault.
        log: The route.
        undone: When the fault was over.
        ended: When everything was ready again.
        outage: When no server could have answered.
        recovered: What was not ready in time.
    """

    drill: Drill
    moving: Moving
    began: float
    done: Injected
    lease: float | None
    known: frozenset[str]
    log: RouteLog
    undone: float = 0.0
    ended: float = 0.0
    outage: tuple[float, float] | None = None
    recovered: str = ""

    def covers(self, failure: Request) -> bool:
        """Whether a failed request belongs to this drill.

        Those of its own model are judged with it, whatever they failed of. Without the router no other model
        could be answered either, moving or not.
        """
        if failure.model == self.moving.model:
            return failure.sent_seconds <= self.ended and failure.finished_seconds >= self.began
        return self.drill.target == ENVOY and explained(failure, self.outage)

    def observed(
        self,
        *,
        clients: Clients,
        records: list[RequestRecord],
        weights: tuple[float, ...],
        evidence: Evidence,
        end: End | None,
        starts: int,
    ) -> Observation:
        """Put together what was seen.

        Args:
            clients: All requests as the model's clients saw them.
            records: All requests as the router saw them.
            weights: Weights that the contract allows.
            evidence: The evidence about the model, read again.
            end: How the attempt ended.
            starts: How often its migration was started.
        """
        candidate = [at for at in served_by_candidate(records) if self.began <= at <= self.ended]
        all_of_them = sum(self.began <= at <= self.ended for at in ended(records))
        during = [at - self.began for at in candidate if at <= self.undone]
        return Observation(
            drill=self.drill.name,
            fault=self.drill.fault,
            target=self.drill.target,
            stage=self.drill.stage,
            model=self.moving.model,
            attempt=self.moving.attempt,
            deeds=tuple(self.done.deeds),
            window_seconds=round(self.ended - self.began, 2),
            recovered=self.recovered,
            requests=clients.within(self.began, self.ended),
            failures=tuple(one for one in clients.failures() if self.covers(one)),
            outage=self.outage,
            route=tuple(self.log.seen),
            weights=weights,
            candidate_share=len(candidate) / all_of_them if all_of_them else 0.0,
            lease_seconds=self.lease,
            candidate_last_seconds=round(max(during), 2) if during else None,
            fault_seconds=None if self.drill.target == CANDIDATE else round(self.undone - self.began, 2),
            evidence=evidence,
            outcome=end.outcome if end else None,
            by=end.by if end else "",
            reason=end.reason if end else "",
            starts=starts,
        )
