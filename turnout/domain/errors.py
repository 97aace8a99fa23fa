"""Every error a user can meet, in one hierarchy.

TurnoutError            subject, observed, limit, remedy: one clear message
├── TemporaryError      the same call may succeed later; tasks retry it
│   └── UnreachableError  a server did not answer
└── PermanentError      the same call will fail again; tasks do not retry it
    ├── InvalidInputError   what the user wrote cannot be used
    ├── NotFoundError       what was named does not exist
    ├── RefusedError        a promise forbids it (a stale state, a dead attempt, no approval)
    └── UnsupportedError    an adapter cannot do this, and says so
"""


class TurnoutError(Exception):
    """One clear error: what it is about, what was seen, what is allowed, what to do.

    Args:
        subject: What the error is about: a model, a file with line, a server.
        observed: What was seen.
        limit: What would have been right.
        remedy: What the reader can do about it.
    """

    def __init__(self, subject: str, *, observed: str, limit: str, remedy: str) -> None:
        """Keep the four parts; the message is made from them."""
        super().__init__(subject, observed, limit, remedy)
        self.subject = subject
        self.observed = observed
        self.limit = limit
        self.remedy = remedy

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle by the four parts, so that the error survives the way between processes."""
        return (_rebuild, (type(self), self.subject, self.observed, self.limit, self.remedy))

    def __str__(self) -> str:
        """Say all four parts in one line."""
        return f"{self.subject}: {self.observed}; expected {self.limit}. {self.remedy}"


def _rebuild(kind: type[TurnoutError], subject: str, observed: str, limit: str, remedy: str) -> TurnoutError:
    return kind(subject, observed=observed, limit=limit, remedy=remedy)


class TemporaryError(TurnoutError):
    """The same call may succeed later."""


class UnreachableError(TemporaryError):
    """A server did not answer."""


class PermanentError(TurnoutError):
    """The same call will fail again until something else changes."""


class InvalidInputError(PermanentError):
    """What the user wrote cannot be used."""


class NotFoundError(PermanentError):
    """What was named does not exist."""


class RefusedError(PermanentError):
    """A promise forbids it: the state read is gone, the attempt is over, the approval is missing."""


class UnsupportedError(PermanentError):
    """An adapter cannot do this, and says so instead of doing something else."""
