"""The legacy side is called where the settings say."""

import pytest

from runtimes import Endpoint
from runtimes.kserve import KServe
from turnout.domain.errors import InvalidInputError, NotFoundError


def test_a_model_is_where_the_settings_say():
    """Host and port."""
    assert KServe({"iris": "127.0.0.1:8080"}).endpoint("iris") == Endpoint(host="127.0.0.1", port=8080)


def test_an_unknown_model_is_not_found():
    """The error names the model."""
    with pytest.raises(NotFoundError, match="iris"):
        KServe({}).endpoint("iris")


@pytest.mark.parametrize("address", ["8080", ":8080", "host:", "host:http", ""])
def test_another_form_is_refused(address):
    """host:port and nothing else."""
    with pytest.raises(InvalidInputError, match="host:port"):
        KServe({"iris": address}).endpoint("iris")
