"""The proxies' counts of answered requests: summed, and begun anew where a proxy was replaced."""

import pytest

from turnout.domain.errors import TemporaryError
from turnout.fabric.gateway_api.completed import SETTLE_SECONDS, Completed, counted


def page(**counts):
    """Metrics of one proxy."""
    lines = [
        "# TYPE envoy_vhost_route_upstream_rq_completed counter",
        'envoy_vhost_route_upstream_rq_completed{envoy_route="other",envoy_virtual_host="v"} 99',
        'envoy_vhost_route_upstream_rq_completed{envoy_route="turnout/else/iris",envoy_virtual_host="v"} 99',
    ]
    for model, count in counts.items():
        labels = f'envoy_route="turnout/models/{model}",envoy_virtual_host="v_{model}"'
        lines.append(f"envoy_vhost_route_upstream_rq_completed{{{labels}}} {count}")
        lines.append(f'envoy_vhost_route_upstream_rq{{envoy_response_code="200",{labels}}} {count}')
    return "\n".join(lines)


@pytest.fixture
def proxies():
    """Pages of proxies by name, and who reads them: after the time in which nothing is told."""
    pages, time = {}, [0.0]
    counts = Completed(lambda: dict(pages), "models", clock=lambda: time[0])
    with pytest.raises(TemporaryError, match="begun"):
        counts.completed()
    time[0] = SETTLE_SECONDS
    return pages, counts


def test_counts_of_all_proxies_are_summed_by_model(proxies):
    """Also of a proxy that has just come; what is no model's route of ours is left out."""
    pages, counts = proxies
    pages["one"] = page(iris=3, wine=1)
    assert counts.completed() == {"iris": 3, "wine": 1}
    pages["two"] = page(iris=2)
    assert counts.completed() == {"iris": 5, "wine": 1}
    assert counted(page(iris=3) + "\n" + page(iris=4), "models") == {"iris": 7}


@pytest.mark.parametrize("after", [None, page(iris=1), page()])
def test_a_proxy_that_is_gone_or_began_again_makes_the_counts_begin_anew(proxies, after):
    """Once: what it answered last cannot be known, also where the others' counts hide the loss."""
    pages, counts = proxies
    pages |= {"one": page(iris=3), "two": page(iris=10)}
    assert counts.completed() == {"iris": 13}
    pages["one"] = page(iris=300)
    pages |= {"two": after}
    if after is None:
        del pages["two"]
    with pytest.raises(TemporaryError, match="two"):
        counts.completed()
    assert counts.completed()["iris"] >= 300
