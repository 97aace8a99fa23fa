"""The sentinel's round, once a second: read, judge, roll back, and only then write anything down.

What is nearest to a breach is looked at first, so that a long round of many routes delays none that matters.
Journals and records are written a few seconds' worth at a time, each attempt's in its turn: what a kill loses
is judged again from the log. Rollbacks run beside the round: one that waits for a router's report, or a
router that hangs, holds up no other attempt.
"""

import logging
import random
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor, wait

from turnout.domain.errors import TurnoutError
from turnout.domain.route import Route, Router
from turnout.fabric import comparison_files
from turnout.fabric.comparison_files import START
from turnout.fabric.state import State
from turnout.fabric.telemetry import AccessLog, Cursor
from turnout.services.contracts import Contracts
from turnout.services.routes import source
from turnout.services.sentinel import watch as watching
from turnout.services.sentinel.answers import Board
from turnout.services.sentinel.clock import Now
from turnout.services.sentinel.files import Files
from turnout.services.sentinel.freshness import Backlog
from turnout.services.sentinel.post import WRITE_SECONDS, Post, Read, is_due, next_turn
from turnout.services.sentinel.record import BY, Ended, Record, TornError, ended_by
from turnout.services.sentinel.standing import shown, unguarded
from turnout.services.sentinel.watch import Breach, Sight, Watch

ENDS_AT_ONCE = 16
"""Rollbacks under way at one moment; each has moved its traffic in milliseconds and then awaits a report."""

ROTATE_ROUNDS = 60
"""Each model's access log is looked at once in so many rounds: is it too large?"""

REPORT_SECONDS = 0.3
"""A round waits so long for its rollbacks' reports; later ones are taken up by the next round."""

_log = logging.getLogger(__name__)


class Patrol:
    """Goes the round over all live attempts.

    Args:
        state: The state directory.
        router: Rolls back, and knows tombstones.
        telemetry: What the router tells of each request.
        contracts: The owners' contracts.
        board: Shows how each attempt stands.
        lease_seconds: Length of the guard lease.
    """

    def __init__(
        self,
        *,
        state: State,
        router: Router,
        telemetry: AccessLog,
        contracts: Contracts,
        board: Board,
        lease_seconds: float,
    ) -> None:
        """Begin with nothing known; a saved attempt is read when its route is seen."""
        self._state = state
        self._router = router
        self._routes = source(state, router)
        self._telemetry = telemetry
        self._contracts = contracts
        self._board = board
        self._lease_seconds = lease_seconds
        self._late = telemetry.lateness
        self._files = Files(state)
        self._posts: dict[str, Post] = {}
        self._ends = ThreadPoolExecutor(ENDS_AT_ONCE, thread_name_prefix="rollback")
        self._asking = ThreadPoolExecutor(1, thread_name_prefix="asking")

    def recall(self) -> None:
        """At the start: show the attempts that are over, and account for a rollback that was cut short."""
        for attempt in self._files.attempts():
            try:
                record = self._files.load(attempt)
                dead = record and (record.ended or self._router.tombstone(record.model, attempt))
                if record is None or not dead:
                    continue
                watch = self._over(self._restored(record))
                self._keep(watch)
                self._board.put(attempt, shown(watch))
            except (TornError, TurnoutError, OSError) as error:
                _log.warning("record of %s: %s", attempt, error)

    def go(self, now: Now) -> None:
        """One round: every attempt is judged, and rolled back if it must be, before anything is written."""
        routes = self._routes.now()
        for route in routes.values():
            if route.attempt is not None and route.attempt not in self._posts:
                self._arrive(route, route.attempt, now)
        self._look_at_all(routes, now)
        self._take_up_ends()
        due = [post for post in self._posts.values() if is_due(post, now)]
        self._write(due)
        for post in due:
            post.write_at = next_turn(post.write_at, now.boot_seconds)
        self._rotate(routes, now)

    def _look_at_all(self, routes: dict[str, Route], now: Now) -> None:
        """Read everything, the router's counts at the same moment; then judge, the most suspect first."""
        staying = []
        for post in self._posts.values():
            route = routes.get(post.route.model)
            if route is not None and route.attempt != post.attempt:
                self._leave(post)
                self._board.put(post.attempt, shown(post.watch))
            else:
                staying.append((post, route))
        if not staying:
            return
        asked = self._asking.submit(self._completed)
        seen = [(post, route, self._read(post.watch)) for post, route in staying]
        completed = asked.result()
        for post, route, read in sorted(seen, key=lambda one: -watching.suspicion(one[0].watch)):
            self._look(post, route, self._sight(post, route, read, completed, now))
            self._board.put(post.attempt, shown(post.watch))

    def _rotate(self, routes: dict[str, Route], now: Now) -> None:
        """Bound the access logs of all models, some of them each round.

        What is kept for this reader is counted from its saved position: after a kill it reads on from there.
        """
        saved: dict[str, list[Cursor]] = {}
        for post in self._posts.values():
            saved.setdefault(post.route.model, []).append((post.saved or post.watch).record.cursor)
        for model in sorted(routes)[int(now.boot_seconds) % ROTATE_ROUNDS :: ROTATE_ROUNDS]:
            try:
                self._telemetry.rotate(model, readers=saved.get(model, []))
            except (TurnoutError, OSError) as error:
                _log.warning("access log of %s: %s", model, error)

    def save(self) -> None:
        """Write down all that is new: the end of this process."""
        self._ends.shutdown(wait=True)
        self._take_up_ends()
        self._write(list(self._posts.values()))

    def _write(self, posts: Iterable[Post]) -> None:
        """Write down what is new. A full disk costs the writing, never the guarding."""
        behind: dict[str, OSError] = {}
        for post in posts:
            try:
                self._write_one(post)
            except OSError as error:
                behind[post.attempt] = error
        if behind:
            attempt, why = next(iter(behind.items()))
            _log.warning("journals and records are behind, of %d attempts: %s: %s", len(behind), attempt, why)

    def _arrive(self, route: Route, attempt: str, now: Now) -> None:
        """Begin, or go on, with an attempt that is live and not on the round yet."""
        try:
            record = self._files.load(attempt)
            watch = self._restored(record) if record else None
        except TornError as error:
            if not self._mistrusted(route, attempt, error):
                return
            watch = None
        watch = watch or self._begun(route, attempt, now)
        if watch is not None:
            # In turn: attempts that arrive together are not all written in the same round ever after.
            turn = now.boot_seconds + random.uniform(0, WRITE_SECONDS)  # noqa: S311 -- not a secret
            backlog = Backlog(late_looks=self._late.looks)
            self._posts[attempt] = Post(watch=watch, route=route, backlog=backlog, write_at=turn)

    def _restored(self, record: Record) -> Watch:
        return watching.restore(
            record, lease_seconds=self._lease_seconds, settle_seconds=self._late.settle_seconds
        )

    def _begun(self, route: Route, attempt: str, now: Now) -> Watch | None:
        contract = self._contracts.of(route.model)
        if contract is None:
            self._board.put(attempt, unguarded(route, f"no contract of {route.model} that can be read"))
            return None
        _, place = comparison_files.read(self._state.comparisons(attempt), START)
        return watching.begin(
            route,
            contract,
            now,
            cursor=self._telemetry.end(route.model),
            place=place,
            lease_seconds=self._lease_seconds,
            settle_seconds=self._late.settle_seconds,
        )

    def _mistrusted(self, route: Route, attempt: str, error: TornError) -> bool:
        """A record that cannot be read may have held most of a breach: with clients on it, it is over.

        Returns:
            Whether a new record may be begun.
        """
        _log.error("record of %s: %s", attempt, error)
        if route.weight > 0:
            try:
                self._router.roll_back(route.model, attempt, reason=f"its record is torn: {error}", by=BY)
            except (TurnoutError, OSError):
                _log.exception("%s could not be rolled back; trying again", attempt)
                return False
        self._files.put_aside(attempt)
        return True

    def _look(self, post: Post, route: Route | None, sight: Sight) -> None:
        post.route = route or post.route
        turn = watching.step(post.watch, sight)
        post.watch = turn.watch
        if turn.breach and post.ending is None:
            self._roll_back(post, turn.breach)
        post.unwritten += turn.judged

    def _read(self, watch: Watch) -> Read:
        """Read what came since the last round."""
        record = watch.record
        try:
            comparisons, place = comparison_files.read(self._state.comparisons(record.attempt), record.place)
            requests, cursor = self._telemetry.read(record.model, record.cursor)
        except (TurnoutError, OSError, ValueError) as error:
            return Read((), None, (), record.place, failed=f"telemetry cannot be read: {error}")
        return Read(tuple(requests), cursor, tuple(comparisons), place)

    def _sight(
        self, post: Post, route: Route | None, read: Read, completed: dict[str, int] | None, now: Now
    ) -> Sight:
        """Hold what was read against the router's count; a model that the count leaves out had no request."""
        stale = None if route else "the route cannot be read"
        if read.cursor is None:
            stale, post.backlog = read.failed, post.backlog.anew()
        else:
            record = post.watch.record
            count = None if completed is None else completed.get(record.model, 0)
            new = self._telemetry.counted(read.cursor) - self._telemetry.counted(record.cursor)
            post.backlog = post.backlog.look(new, count)
            stale = stale or post.backlog.stale
        return Sight(
            now=now,
            route=route or post.route,
            cursor=read.cursor,
            place=read.place,
            records=read.requests,
            comparisons=read.comparisons,
            stale=stale,
        )

    def _completed(self) -> dict[str, int] | None:
        try:
            return self._telemetry.all_completed()
        except TurnoutError as error:
            _log.warning("%s", error)
            return None

    def _roll_back(self, post: Post, breach: Breach) -> None:
        """Take the attempt back; should that fail, it stays disarmed and is tried again at the next round."""
        record = post.watch.record
        self._board.put(record.attempt, shown(post.watch))  # unarmed already, should the files not take it
        post.ending = self._ends.submit(
            self._router.roll_back, record.model, record.attempt, reason=breach.reason, by=BY
        )

    def _take_up_ends(self) -> None:
        """Take up the rollbacks that are done; those that are not stay under way."""
        ending = {post.ending: post for post in self._posts.values() if post.ending is not None}
        if not ending:
            return
        for done in wait(ending, timeout=REPORT_SECONDS).done:
            post = ending[done]
            post.ending = None
            try:
                post.watch = watching.ended(post.watch, ended_by(done.result()))
            except (TurnoutError, OSError):
                _log.exception("%s could not be rolled back; trying again", post.attempt)
                continue
            _log.warning("%s rolled back: %s", post.attempt, done.result().reason)
            self._board.put(post.attempt, shown(post.watch))

    def _leave(self, post: Post) -> None:
        try:
            post.watch = self._over(post.watch)
        except (TurnoutError, OSError) as error:
            _log.warning("how %s ended cannot be read: %s", post.watch.record.attempt, error)

    def _over(self, watch: Watch) -> Watch:
        """An attempt that somebody else ended, or that this sentinel ended before it could say so."""
        if watch.record.ended:
            return watch
        tombstone = self._router.tombstone(watch.record.model, watch.record.attempt)
        if tombstone is None:
            return watching.ended(watch, Ended(by="", reason="no longer the live attempt", at_seconds=0.0))
        return watching.ended(watch, ended_by(tombstone))

    def _write_one(self, post: Post) -> None:
        """The journal first: a record that was saved before its looks would lose them."""
        if post.unwritten:
            self._files.journal(post.attempt, post.unwritten)
            post.unwritten.clear()
        if post.saved is None or watching.worth_saving(post.saved, post.watch):
            self._keep(post.watch)
            post.saved = post.watch
        if post.watch.record.ended:
            del self._posts[post.attempt]

    def _keep(self, watch: Watch) -> None:
        self._files.save(watching.to_save(watch))
        ended = watch.record.ended
        if ended and ended.by == BY:
            self._files.account(watch.record, ended)
