"""The parts of Kubernetes objects that many kinds share, as types: metadata, containers, quantities.

Field names follow the API. What a type does not name is kept aside, so that `unread` can list it.
"""

from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.alias_generators import to_camel

from turnout.domain.quantity import amount


def _as_text(value: Any) -> Any:
    """Kubernetes takes a bare number for a quantity."""
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def _is_quantity(value: str) -> str:
    amount(value)
    return value


Quantity = Annotated[str, BeforeValidator(_as_text), AfterValidator(_is_quantity)]
Name = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")]
"""A DNS label: what becomes the name of a Service (RFC 1123)."""
LongName = Annotated[
    str, Field(max_length=253, pattern=r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$")
]
"""A DNS subdomain: any other object's name."""


class Part(BaseModel):
    """A part of an object: other keys pass, and are listed by `unread`."""

    model_config = ConfigDict(frozen=True, extra="allow", alias_generator=to_camel)


class Metadata(Part):
    """`metadata`."""

    name: LongName
    namespace: Name = "default"
    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)


class ServiceMetadata(Metadata):
    """`metadata` of an object whose name becomes a Service's."""

    name: Name


class Resources(Part):
    """`resources` of a container."""

    requests: dict[str, Quantity] = Field(default_factory=dict)
    limits: dict[str, Quantity] = Field(default_factory=dict)

    def needed(self) -> dict[str, str]:
        """What one replica needs at most: limits where there are any, else requests."""
        return {**self.requests, **self.limits}


class Variable(Part):
    """One environment variable."""

    name: str
    value: str | None = None


class Container(Part):
    """A container, as far as it is read."""

    name: str | None = None
    image: str | None = None
    command: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    env: tuple[Variable, ...] = ()
    resources: Resources = Resources()

    def variable(self, name: str) -> str | None:
        """Value of an environment variable that is set in place."""
        return next((variable.value for variable in self.env if variable.name == name), None)

    def argument(self, name: str) -> str | None:
        """Value of `--name=value` or `--name value`; the last one counts."""
        found = None
        for arg, following in zip(self.args, (*self.args, "")[1:], strict=True):
            if arg.startswith(f"{name}="):
                found = arg.split("=", 1)[1]
            elif arg == name:
                found = following
        return found

    def facts(self) -> dict[str, Any]:
        """What a component keeps of it."""
        return {
            "container": self.name,
            "image": self.image,
            "command": self.command,
            "args": self.args,
            "env": tuple(variable.name for variable in self.env),
            "resources": self.resources.needed(),
            "requests": self.resources.requests,
        }

    def declared(self) -> dict[str, Any]:
        """All that is written of it, but for the values of its environment, which may be secrets."""
        told = self.model_dump(exclude={"env"}, exclude_defaults=True)
        return told | ({"env": [variable.name for variable in self.env]} if self.env else {})


class PodSpec(Part):
    """A pod's spec, as far as it is read."""

    containers: tuple[Container, ...] = ()
    node_selector: dict[str, str] = Field(default_factory=dict)

    def serving(self, name: str = "kserve-container") -> Container:
        """The container that serves: the one of that name, else the first."""
        named = [container for container in self.containers if container.name == name]
        return (*named, *self.containers, Container())[0]

    def others(self, serving: Container) -> list[dict[str, Any]]:
        """What is written of the containers beside the one that serves."""
        return [one.declared() for one in self.containers if one is not serving]


def without_env_values(value: Any) -> Any:
    """The same part, its environment variables by name alone: their values may be secrets."""
    if isinstance(value, list):
        return [without_env_values(entry) for entry in value]
    if not isinstance(value, dict):
        return value
    return {
        key: [variable.get("name") for variable in part if isinstance(variable, dict)]
        if key == "env" and isinstance(part, list)
        else without_env_values(part)
        for key, part in value.items()
    }


_OF_THE_SERVER = frozenset({
    "apiVersion", "kind", "creationTimestamp", "deletionTimestamp", "finalizers", "generation",
    "managedFields", "ownerReferences", "resourceVersion", "selfLink", "status", "uid",
})  # fmt: skip
"""What every object carries and the API server or a controller writes; no migration turns on it."""


def unread(part: BaseModel, *, at: str = "") -> Iterator[str]:
    """Fields that a type does not name, as dotted ways (`spec.predictor.tolerations`), topmost first."""
    for name in part.model_extra or {}:
        if at not in ("", "metadata.") or name not in _OF_THE_SERVER:
            yield f"{at}{name}"
    for name, field in type(part).model_fields.items():
        if name != "status":
            yield from _within(getattr(part, name), f"{at}{field.alias or name}")


def _within(value: Any, way: str) -> Iterator[str]:
    if isinstance(value, BaseModel):
        yield from unread(value, at=f"{way}.")
    elif isinstance(value, tuple):
        for index, entry in enumerate(value):
            yield from _within(entry, f"{way}[{index}]")
    elif isinstance(value, dict):
        for key, entry in value.items():
            yield from _within(entry, f"{way}.{key}")
