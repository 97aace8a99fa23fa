"""What is to be served on a cluster: an attempt's package, the image of its runtime, its place."""

import hashlib
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from turnout.domain.accelerators import MIG
from turnout.domain.assignment import Assignment
from turnout.domain.errors import InvalidInputError
from turnout.domain.pools import Pool
from turnout.settings import Head

LONGEST_NAME = 47
"""KubeRay refuses longer names of a RayService; everything else on Kubernetes allows more."""
_DIGEST = 8


def object_name(runtime: str, attempt: str) -> str:
    """Name of an attempt's objects: runtime and attempt, a DNS label that begins with a letter."""
    whole = f"{runtime.replace('_', '-')}-{attempt}"
    if len(whole) <= LONGEST_NAME:
        return whole
    digest = hashlib.sha256(whole.encode()).hexdigest()[:_DIGEST]
    return f"{whole[: LONGEST_NAME - _DIGEST - 1].rstrip('-.')}-{digest}"


class Package(BaseModel):
    """Where the attempt's package is, to be mounted read-only: in a volume, or in an image (an OCI artifact).

    Attributes:
        claim: A PersistentVolumeClaim that can be read by all of the attempt's pods.
        folder: Folder of the claim that is the package; the claim's root without it.
        image: An OCI reference with its digest.
    """

    model_config = ConfigDict(frozen=True)

    claim: str | None = None
    folder: str | None = None
    image: str | None = None

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        if (self.claim is None) == (self.image is None):
            raise ValueError("a package lies in a claim or in an image: one of them")
        return self

    def volume(self) -> dict[str, Any]:
        """Its source, as a pod's volume has it."""
        if self.claim is not None:
            return {"persistentVolumeClaim": {"claimName": self.claim, "readOnly": True}}
        return {"image": {"reference": self.image, "pullPolicy": "IfNotPresent"}}

    def part(self) -> dict[str, str]:
        """Which part of the volume it is, as a container's mount has it."""
        return {"subPath": self.folder} if self.folder else {}


class Served(BaseModel):
    """One attempt as it is to be served.

    Attributes:
        attempt: The attempt; every object carries it.
        assignment: Where it goes.
        pool: The pool of that name.
        image: Image of the runtime.
        package: Where its package is; None: a bridge alone, in front of what another runtime serves.
        runtime_config: What the package says that the runtime is started with.
        bridge: The Ray Serve application that clients call; None: they call the model's own server.
        head: How large Ray's head is.
        head_pool: Where Ray's head runs, which holds no model; None: on any node that is not set aside.
    """

    model_config = ConfigDict(frozen=True)

    attempt: str
    assignment: Assignment
    pool: Pool
    image: str
    package: Package | None = None
    runtime_config: dict[str, Any] = Field(default_factory=dict)
    bridge: dict[str, Any] | None = None
    head: Head = Head()
    head_pool: Pool | None = None

    @property
    def name(self) -> str:
        """Name of its objects."""
        return object_name(self.assignment.runtime, self.attempt)

    @property
    def labels(self) -> dict[str, str]:
        """Labels that find its pods, and nothing else's."""
        return {"app.kubernetes.io/name": self.assignment.runtime, "app.kubernetes.io/instance": self.name}

    @property
    def sliced(self) -> bool:
        """Whether its accelerators are MIG slices, which cannot work together on one model."""
        return (self.pool.resource or "").startswith(MIG)

    def check(self) -> None:
        """See that the assignment is one of the pool's.

        Raises:
            InvalidInputError: It is not; what does not fit is named.
        """
        wanted, pool = self.assignment, self.pool
        for observed, limit, wrong in (
            (f"pool {wanted.pool}", f"pool {pool.name}", wanted.pool != pool.name),
            (f"{wanted.accelerators} accelerators on a host", f"{pool.accelerators_per_node} at most",
             wanted.accelerators > pool.accelerators_per_node),
            (f"{wanted.hosts} hosts", f"whole slices of {pool.hosts_per_slice}",
             wanted.hosts % pool.hosts_per_slice != 0),
            (f"{wanted.cpu:g} cores on a host", f"{pool.cpu:g} at most", wanted.cpu > pool.cpu),
            (f"{wanted.memory_gib:g} GiB on a host", f"{pool.memory_gib:g} at most",
             wanted.memory_gib > pool.memory_gib),
        ):  # fmt: skip
            if wrong:
                raise InvalidInputError(
                    f"{self.attempt} on pool {pool.name}", observed=observed, limit=limit,
                    remedy="Place it anew: the pool has changed.",
                )  # fmt: skip
