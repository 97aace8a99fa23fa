"""The names of add-ons, and what each needs."""

NODE, GATEWAY, KSERVE, KUBERAY, ROLLOUTS = "node", "gateway", "kserve", "kuberay", "rollouts"
NEEDS: dict[str, tuple[str, ...]] = {
    NODE: (),
    GATEWAY: (NODE,),
    KSERVE: (GATEWAY, NODE),
    KUBERAY: (NODE,),
    ROLLOUTS: (GATEWAY, NODE),
}
"""By name, in the order in which they come up: what each needs."""
ESTATE = tuple(name for name in NEEDS if name != ROLLOUTS)
"""All that a migration meets; Argo Rollouts is there to be measured against, by a benchmark alone."""


def complete(names: tuple[str, ...]) -> tuple[str, ...]:
    """Names with all that they need, in the order in which they come up."""
    wanted = set(names)
    for name in reversed(NEEDS):
        if name in wanted:
            wanted.update(NEEDS[name])
    return tuple(name for name in NEEDS if name in wanted)
