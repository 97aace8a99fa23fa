"""One-time codes, decided purely: which are accepted, given what they match and what was used.

The arithmetic of RFC 6238 is the library's (`turnout.fabric.owners`); this is what it leaves to its user: a
code is accepted once (RFC 6238, 5.2), and guessing is slowed down (RFC 4226, 7.3).
"""

from pydantic import BaseModel, ConfigDict

from turnout.domain.gate import CodeCheck

STEP_SECONDS = 30
"""Length of a time step (RFC 6238's default, and what authenticator apps assume)."""

GUESSES = 10
"""Wrong codes for one owner within an hour before their codes are not looked at any more. Three of a million
codes fit at any moment, so an hour of guessing succeeds with a chance of 3e-5."""

GUESS_SECONDS = 3600.0


class CodeBook(BaseModel):
    """What is kept of one owner's codes.

    Attributes:
        used: Time steps whose codes were shown, so that they are never accepted again.
        wrong: Unix times of wrong codes within the last hour.
    """

    model_config = ConfigDict(frozen=True)

    used: tuple[int, ...] = ()
    wrong: tuple[float, ...] = ()


def judge(
    owner: str, matches: dict[str, tuple[int, ...]], books: dict[str, CodeBook], at: float
) -> tuple[CodeCheck, dict[str, CodeBook]]:
    """Accept or refuse a code.

    Args:
        owner: Who has to answer.
        matches: For each enrolled owner, the time steps whose code this is.
        books: For each enrolled owner, what is kept.
        at: When it was handed in, Unix time.

    Returns:
        The answer, and the books that change by it.
    """
    if owner not in books:
        return CodeCheck(accepted=False, reason=f"{owner} has no secret yet: enrol first"), {}
    book = _recent(books[owner], at)
    if len(book.wrong) >= GUESSES:
        wait = book.wrong[0] + GUESS_SECONDS - at
        return _refused(f"too many wrong codes; codes are looked at again in {wait / 60:.0f} min"), {}
    if steps := matches.get(owner, ()):
        fresh = [step for step in steps if step not in book.used]
        spent = book.model_copy(update={"used": (*book.used, *steps)})
        return (CodeCheck(accepted=True) if fresh else _refused("this code was used before")), {owner: spent}
    wrong = {owner: book.model_copy(update={"wrong": (*book.wrong, at)})}
    others = {o: steps for o, steps in matches.items() if steps}
    if not others:
        return _refused("the code is wrong"), wrong
    # It was shown in the wrong place, where others can read it: it is spent for its own owner too.
    burnt = {o: books[o].model_copy(update={"used": (*books[o].used, *steps)}) for o, steps in others.items()}
    return _refused(f"the code is another owner's; this gate is {owner}'s"), wrong | burnt


def first_unused(book: CodeBook, at: float) -> int:
    """Return the first time step, from now on, whose code was not used."""
    step = int(at // STEP_SECONDS)
    while step in book.used:
        step += 1
    return step


def _recent(book: CodeBook, at: float) -> CodeBook:
    oldest = at // STEP_SECONDS - 10  # far outside any tolerance
    return CodeBook(
        used=tuple(step for step in book.used if step >= oldest),
        wrong=tuple(when for when in book.wrong if when > at - GUESS_SECONDS),
    )


def _refused(reason: str) -> CodeCheck:
    return CodeCheck(accepted=False, reason=reason)
