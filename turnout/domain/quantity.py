"""Kubernetes resource quantities: `500m` of a core, `2Gi` of memory, `1` accelerator."""

import re

_SUFFIXES = {
    "": 1.0, "n": 1e-9, "u": 1e-6, "m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15, "E": 1e18,
    "Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30, "Ti": 2.0**40, "Pi": 2.0**50, "Ei": 2.0**60,
}  # fmt: skip
_FORM = re.compile(
    r"(\d{1,18}(?:\.\d{0,9})?|\.\d{1,9})(?:e([+-]?\d{1,2})|([numkMGTPE]|[KMGTPE]i)?)", re.IGNORECASE
)

GIB = 2.0**30
"""Bytes of a GiB."""


def amount(quantity: str) -> float:
    """The value of a quantity in its base unit: cores, bytes, pieces.

    Args:
        quantity: As Kubernetes writes it, not negative.

    Raises:
        ValueError: It is not a quantity.
    """
    match = _FORM.fullmatch(quantity.strip())
    if not match:
        raise ValueError(f"{quantity[:40]!r} is not a Kubernetes quantity such as 500m or 2Gi")
    number, exponent, suffix = match.groups()
    if suffix and suffix not in _SUFFIXES:
        raise ValueError(f"{quantity[:40]!r} has no suffix of Kubernetes, such as m, Mi or Gi")
    return float(number) * (10.0 ** int(exponent) if exponent else _SUFFIXES[suffix or ""])
