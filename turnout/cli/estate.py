"""What `discover` and `plan` share: where the estate is read from, tables, and how problems end a command."""

import re
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import click

from turnout import settings
from turnout.domain.calendar import Calendar
from turnout.domain.errors import InvalidInputError, NotFoundError
from turnout.domain.inventory import Inventory, Problem
from turnout.domain.nodes import NodePools
from turnout.domain.prices import Prices
from turnout.domain.weights import Weights
from turnout.fabric import estate, ownership
from turnout.fabric import pools as pool_files
from turnout.fabric import prices as price_files
from turnout.fabric import weights as weight_files
from turnout.fabric.prometheus import Prometheus
from turnout.fabric.traffic import observe

_BAD_INPUT = 2
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_FILE = click.Path(path_type=Path)

F = TypeVar("F", bound=Callable[..., Any])

_OPTIONS = (
    click.option("--manifests", type=_FILE, help="Folder or file of manifests; the settings' without it."),
    click.option("--kubeconfig", type=_FILE, help="Read the cluster of this kubeconfig."),
    click.option("--context", help="Read the cluster of this context of the kubeconfig."),
    click.option("--namespace", "namespaces", multiple=True, help="Only this namespace of it (repeatable)."),
    click.option("--owners", type=_FILE, help="File that says who owns what, and when nothing may move."),
    click.option("--weights", type=_FILE, help="File of thresholds and points that order the estate."),
    click.option("--prometheus", metavar="URL", help="Prometheus that knows the estate's traffic."),
    click.option("--prometheus-token-file", "token_file", type=_FILE, help="File of its bearer token."),
    click.option(
        "--window", default="7d", show_default=True, help="How far to look back for traffic: 90m, 12h, 7d."
    ),
)


def estate_options(command: F) -> F:
    """Give a command the options that `Source` takes."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@dataclass(frozen=True)
class Source:
    """Where the estate and what orders it are read from: the options, then the settings."""

    manifests: Path | None
    kubeconfig: Path | None
    context: str | None
    namespaces: tuple[str, ...]
    owners: Path | None
    weights: Path | None
    prometheus: str | None
    token_file: Path | None
    window: str

    @cached_property
    def in_force(self) -> settings.Settings | None:
        """The settings, where the options name no estate of their own."""
        return None if self._named else settings_or_none()

    @cached_property
    def place(self) -> Path | estate.Cluster:
        """The folder or the cluster.

        Raises:
            InvalidInputError: Nothing names one.
        """
        place = self._named or (estate.place(self.in_force) if self.in_force else None)
        if place is None:
            raise missing("--manifests", "a folder of manifests, or a cluster (--kubeconfig or --context)")
        return place

    def inventory(self) -> Inventory:
        """Read the estate, with owners, and with traffic where a Prometheus is given."""
        inventory = estate.read(self.place)
        if file := self._owners_file:
            inventory = inventory.with_owners(ownership.read(file))
        return self._observed(inventory)

    def calendar(self) -> Calendar:
        """When waves may move."""
        return ownership.calendar(self._owners_file) if self._owners_file else Calendar()

    def weights_in_force(self) -> Weights:
        """Thresholds and points."""
        return weight_files.read(self.weights or (self.in_force.weights if self.in_force else None))

    def pools(self, file: Path | None, prices: Path | None) -> NodePools:
        """The node pools: of a file, else of the cluster that the estate is read from, else the settings'.

        Raises:
            InvalidInputError: Nothing names any.
        """
        in_force = self.in_force
        place = None if file else self.place
        if isinstance(place, estate.Cluster):
            from turnout.fabric import nodes  # noqa: PLC0415 -- the client of a cluster loads slowly
            from turnout.fabric.kubernetes.api import ClusterApi  # noqa: PLC0415

            known = prices or (in_force.prices if in_force else None)
            with ClusterApi(place.kubeconfig, place.context) as api:
                return nodes.pools(api, price_files.read(known) if known else Prices())
        file = file or (in_force.pools if in_force else None)
        if file is None:
            raise missing("--pools", "a file of node pools")
        return NodePools(pools=pool_files.read(file), left_out=())

    @property
    def _owners_file(self) -> Path | None:
        return self.owners or (self.in_force.owners if self.in_force else None)

    @cached_property
    def _named(self) -> Path | estate.Cluster | None:
        if not (self.kubeconfig or self.context or self.namespaces):
            return self.manifests
        if self.manifests:
            raise click.UsageError("--manifests and a cluster exclude each other.")
        return estate.Cluster(self.kubeconfig, self.context, self.namespaces)

    def _observed(self, inventory: Inventory) -> Inventory:
        settled = self.in_force
        url = self.prometheus or (settled.prometheus if settled else "")
        if not url:
            return inventory
        token = self.token_file or (settled.prometheus_token_file if settled else None)
        client = Prometheus(url, token)
        workloads = observe(inventory.workloads, client, window_seconds=self._window_seconds())
        return inventory.model_copy(update={"workloads": workloads})

    def _window_seconds(self) -> int:
        parsed = re.fullmatch(r"([1-9][0-9]{0,6})([smhdw])", self.window)
        if not parsed:
            raise click.UsageError(
                f"--window {self.window}: a number and one of s, m, h, d, w is expected, as in 7d."
            )
        return int(parsed[1]) * _UNITS[parsed[2]]


def settings_or_none() -> settings.Settings | None:
    """The settings in force, or None where there are none; wrong settings are an error all the same."""
    try:
        file = settings.find()
    except NotFoundError:
        return None
    return settings.load(file)


def missing(option: str, what: str) -> InvalidInputError:
    """The error of an option that is needed where there are no settings."""
    return InvalidInputError(
        option,
        observed="neither the option nor a settings file",
        limit=what,
        remedy=f"Name it with {option}.",
    )


def exit_on_problems(problems: Iterable[Problem]) -> None:
    """Say every problem in a line of its own, and end the command when there is one."""
    lines = [f"error: {problem.error()}" for problem in problems]
    for line in lines:
        click.echo(line, err=True)
    if lines:
        sys.exit(_BAD_INPUT)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Rows under their heads, in columns; what a terminal would act on is shown as a question mark."""
    rows = [["".join(sign if sign.isprintable() else "?" for sign in cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    aligned = (
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in (head, *rows)
    )
    return "\n".join(aligned)
