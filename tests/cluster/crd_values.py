"""Values of a CustomResourceDefinition's own schema, for Hypothesis."""

from typing import Any

from hypothesis import strategies as st

Schema = dict[str, Any]

QUANTITIES = st.sampled_from(["1", "500m", "2Gi", "0.5", "128Mi", "1e3", 1, 2])
"""What the pattern of a quantity allows and a webhook does not refuse: nothing below zero."""
_TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=("Cs",)), max_size=8)
_SCALARS = st.booleans() | st.integers(-9, 9) | _TEXTS
_DEEPEST = 7


def values(
    schema: Schema, fixed: dict[str, st.SearchStrategy[Any]], depth: int = 0
) -> st.SearchStrategy[Any]:
    """Values that a schema allows.

    Args:
        schema: An `openAPIV3Schema`, or a part of it.
        fixed: For properties of these names, the values that KServe's webhook or Kubernetes allows besides.
        depth: How deep in the object.
    """
    if schema.get("x-kubernetes-int-or-string"):
        return QUANTITIES
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    if schema.get("type") == "object":
        return _objects(schema, fixed, depth)
    if schema.get("type") == "array":
        least = schema.get("minItems", 0)
        return st.lists(values(schema["items"], fixed, depth + 1), min_size=least, max_size=max(least, 2))
    return _scalars(schema)


def _scalars(schema: Schema) -> st.SearchStrategy[Any]:
    known = {
        "string": st.from_regex(schema["pattern"], fullmatch=True) if "pattern" in schema else _TEXTS,
        "integer": st.integers(schema.get("minimum", 0), schema.get("maximum", 2**31 - 1)),
        "number": st.floats(allow_nan=False, allow_infinity=False, width=32),
        "boolean": st.booleans(),
    }
    return known.get(schema.get("type", ""), _SCALARS)


def _objects(
    schema: Schema, fixed: dict[str, st.SearchStrategy[Any]], depth: int
) -> st.SearchStrategy[dict[str, Any]]:
    if "properties" not in schema:
        inner = schema.get("additionalProperties")
        entries = values(inner, fixed, depth + 1) if isinstance(inner, dict) else _SCALARS
        return st.dictionaries(_TEXTS, entries, max_size=2)

    def built(names: frozenset[str]) -> st.SearchStrategy[dict[str, Any]]:
        properties = schema["properties"]
        return st.fixed_dictionaries(
            {
                name: fixed[name] if name in fixed else values(properties[name], fixed, depth + 1)
                for name in sorted(names)
            }
        )

    required = frozenset(schema.get("required", ()))
    optional = sorted(schema["properties"].keys() - required)
    most = 3 if depth < _DEEPEST else 0
    chosen = (
        st.frozensets(st.sampled_from(optional), max_size=most) if optional and most else st.just(frozenset())
    )
    return chosen.flatmap(lambda names: built(required | names))
