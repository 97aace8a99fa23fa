import copy

from hypothesis import given
from hypothesis import strategies as st

from turnout.domain.legacy_size import full, least, pinning, releasing


def service(**predictor):
    """An InferenceService with one predictor."""
    meta = {"name": "iris", "resourceVersion": "7", "annotations": {"mine": "kept"}}
    return {"metadata": meta, "spec": {"predictor": {"model": {}, **predictor}}}


def patched(item, patch):
    """An object after a merge patch (RFC 7386)."""

    def merge(old, new):
        if not isinstance(new, dict):
            return new
        found = dict(old) if isinstance(old, dict) else {}
        for key, value in new.items():
            if value is None:
                found.pop(key, None)
            else:
                found[key] = merge(found.get(key), value)
        return found

    return merge(copy.deepcopy(item), patch or {})


def test_what_runs_becomes_the_least():
    """Three replicas run and one is its least: three it keeps. Its bound is not exceeded."""
    assert full(service(minReplicas=1, maxReplicas=5), {"predictor": 3}) == {"predictor": 3}
    assert full(service(minReplicas=4), {"predictor": 3}) == {"predictor": 4}
    assert full(service(maxReplicas=2), {"predictor": 3}) == {"predictor": 2}


def test_legacy_that_has_scaled_to_zero_keeps_one():
    """It has to answer in the candidate's place."""
    assert full(service(minReplicas=0), {}) == {"predictor": 1}


def test_each_component_is_pinned_to_its_own_size():
    """A transformer in front of a predictor."""
    item = service()
    item["spec"]["transformer"] = {"containers": [{}]}
    assert full(item, {"predictor": 2, "transformer": 4}) == {"predictor": 2, "transformer": 4}


leasts = st.none() | st.integers(0, 5)


@given(said=leasts, first=st.integers(0, 9), later=st.integers(0, 9), most=st.sampled_from([0, 5, 9]))
def test_a_pin_is_never_lowered_and_a_release_gives_back_what_was_there(said, first, later, most):
    """However often it is pinned and whatever runs then, afterwards the object is as before the first one."""
    item = service(**({} if said is None else {"minReplicas": said}), maxReplicas=max(most, said or 0))
    once = patched(item, pinning(item, {"predictor": first}))
    assert pinning(once, {"predictor": first}) is None
    twice = patched(once, pinning(once, {"predictor": later}))
    assert twice["spec"]["predictor"]["minReplicas"] >= once["spec"]["predictor"]["minReplicas"]
    assert patched(twice, releasing(twice, least(item))) == item
    assert releasing(item, least(item)) is None


def test_a_patch_holds_for_the_object_that_was_read():
    """It names the version, and leaves annotations alone: KServe would replace the pods."""
    patch = pinning(service(minReplicas=2), {"predictor": 3})
    assert patch["metadata"] == {"resourceVersion": "7"}
    assert patched(service(), patch)["metadata"]["annotations"] == {"mine": "kept"}


def test_a_component_that_is_gone_gets_no_least():
    """There was a transformer when it was pinned."""
    patch = releasing(service(minReplicas=3), {"predictor": 1, "transformer": 2})
    assert patch["spec"] == {"predictor": {"minReplicas": 1}}
