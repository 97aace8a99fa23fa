"""Pages from templates: self-contained, so that a page opens offline and can be sent as one file."""

import time
from importlib.resources import files
from typing import Any

from jinja2 import Environment, StrictUndefined

from turnout import __version__


def page(template: str, **values: Any) -> str:
    """Fill a template of this package; the common style and Turnout's version are there for each.

    Args:
        template: Its file name.
        values: What it shows; callables among them may be used as functions and as filters.
    """
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters.update({"moment": moment, "day": day})
    environment.filters.update({name: value for name, value in values.items() if callable(value)})
    filled = environment.from_string(_text(template))
    return filled.render(**{"style": _text("style.css"), "version": __version__, **values})


def moment(at_seconds: float) -> str:
    """Time of day."""
    return time.strftime("%H:%M:%S", time.localtime(at_seconds))


def day(at_seconds: float) -> str:
    """Day."""
    return time.strftime("%Y-%m-%d", time.localtime(at_seconds))


def _text(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")
