"""Who owns which model, and proof that it is they who answer: one-time codes (TOTP, RFC 6238).

The owners file is the authority on who owns what; an owner named on the workload itself is only shown where
it differs. Secrets and used codes lie below `STATE/owners`, readable by their keeper alone, outside Prefect
and MLflow.
"""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyotp
import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from turnout.domain.calendar import Calendar, Freeze
from turnout.domain.codes import STEP_SECONDS, CodeBook, first_unused, judge
from turnout.domain.errors import InvalidInputError, NotFoundError
from turnout.domain.gate import CodeCheck
from turnout.fabric import whole
from turnout.fabric.exclusive import exclusively
from turnout.fabric.state import State


class Owner(BaseModel):
    """One owner in the owners file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    models: tuple[str, ...] = ()
    freezes: tuple[Freeze, ...] = ()


class OwnersFile(BaseModel):
    """`owners: {ana: {name: Ana, models: [iris]}}`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    owners: dict[str, Owner]
    calendar: Calendar = Calendar()


class Owners:
    """The owners, their secrets and the codes they have used."""

    def __init__(self, state: State, owners_file: Path) -> None:
        """Read owners from a file; keep secrets below the state directory."""
        self._root = state.owners
        self._file = owners_file

    def all(self) -> dict[str, Owner]:
        """Return every owner by id.

        Raises:
            InvalidInputError: The owners file cannot be used.
        """
        try:
            return OwnersFile.model_validate(yaml.safe_load(self._file.read_text())).owners
        except (OSError, yaml.YAMLError, ValidationError) as error:
            raise InvalidInputError(
                str(self._file),
                observed=_first(error),
                limit="owners: {ID: {name: NAME, models: [MODEL, ...]}}",
                remedy="Correct the owners file.",
            ) from error

    def of(self, model: str) -> str:
        """Return the id of the owner of a model.

        Raises:
            NotFoundError: Nobody owns it, or more than one does: then no gate could be answered.
        """
        found = [owner for owner, known in self.all().items() if model in known.models]
        if len(found) == 1:
            return found[0]
        raise NotFoundError(
            f"owner of {model}",
            observed=f"named by {len(found)} owners",
            limit="exactly one owner",
            remedy=f"Name the model at one owner in {self._file}.",
        )

    def enrol(self, owner: str) -> str:
        """Give an owner a secret if there is none yet; returns the URI that an authenticator app reads."""
        with self._locked():
            secrets = self._load("secrets")
            if owner not in secrets:
                secrets[owner] = pyotp.random_base32()
                self._save("secrets", secrets)
        uri: str = pyotp.TOTP(secrets[owner]).provisioning_uri(name=owner, issuer_name="Turnout")
        return uri

    def code(self, owner: str, at: float) -> str:
        """Return a code of an owner that was not used yet: what the lab's owners read off their apps.

        Raises:
            NotFoundError: The owner was never enrolled.
        """
        secret = self._load("secrets").get(owner)
        if secret is None:
            raise NotFoundError(
                f"owner {owner}",
                observed="no secret",
                limit="an enrolled owner",
                remedy="Enrol the owner first.",
            )
        code: str = pyotp.TOTP(secret).at(first_unused(self._book(owner), at) * STEP_SECONDS)
        return code

    def verify(self, owner: str, code: str, at: float) -> CodeCheck:
        """Check a code once: a code that was accepted, or that another owner showed, is never accepted again.

        Args:
            owner: Who has to answer.
            code: The code as typed.
            at: When it was handed in, Unix time.
        """
        with self._locked():
            secrets = self._load("secrets")
            books = {known: self._book(known) for known in secrets}
            matches = {known: _steps(secret, code, at) for known, secret in secrets.items()}
            check, changed = judge(owner, matches, books, at)
            used = self._load("used") | {known: book.model_dump() for known, book in changed.items()}
            self._save("used", used)
        return check

    def _book(self, owner: str) -> CodeBook:
        return CodeBook.model_validate(self._load("used").get(owner, {}))

    def _load(self, name: str) -> dict[str, Any]:
        try:
            loaded: dict[str, Any] = json.loads((self._root / f"{name}.json").read_text())
        except FileNotFoundError:
            return {}
        return loaded

    def _save(self, name: str, document: dict[str, Any]) -> None:
        file = self._root / f"{name}.json"
        whole.write(file, json.dumps(document, indent=1))  # the directory itself lets nobody else in
        file.chmod(0o600)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
        with exclusively(self._root / "lock", f"process {os.getpid()}", wait_seconds=10):
            yield


def _steps(secret: str, code: str, at: float) -> tuple[int, ...]:
    """Return the time steps, of those that the tolerance allows, whose code this is.

    Spelled out because `pyotp.TOTP.verify` does not say which step it was, and each is accepted once.
    """
    totp, now = pyotp.TOTP(secret), int(at // STEP_SECONDS)
    typed = "".join(code.split())
    return tuple(
        step
        for step in (now - 1, now, now + 1)
        if pyotp.utils.strings_equal(totp.at(step * STEP_SECONDS), typed)
    )


def _first(error: OSError | yaml.YAMLError | ValidationError) -> str:
    if isinstance(error, OSError):
        return error.strerror or str(error)
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"
    mark = getattr(error, "problem_mark", None)
    return f"line {mark.line + 1 if mark else '?'}: not YAML"
