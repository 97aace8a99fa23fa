import pytest

from turnout.domain.errors import NotFoundError, UnreachableError
from turnout.fabric.state import State
from turnout.services.routes import Routes, source


class Reader:
    """A router that only reads, and counts how often it is asked."""

    def __init__(self, make_route):
        """Read routes at weight 0."""
        self.make_route, self.weight, self.asked, self.broken = make_route, 0.0, 0, False

    def read(self, model):
        """Read a route."""
        self.asked += 1
        if self.broken:
            raise NotFoundError(model, observed="nothing", limit="a route", remedy="None.")
        return self.make_route(model=model, weight=self.weight)


@pytest.fixture
def reader(make_route):
    """The router."""
    return Reader(make_route)


@pytest.fixture
def folder(tmp_path):
    """The files of one model, as the router keeps them."""
    made = tmp_path / "routes" / "iris"
    for part in ("legacy", "attempts/iris-1"):
        (made / part).mkdir(parents=True)
        (made / part / "route.json").write_text("1")
        (made / part / "gone").symlink_to("nowhere")  # staged links may point at nothing
    (made / "current").symlink_to("attempts/iris-1")
    return made


def test_a_route_is_read_anew_only_when_its_files_change(tmp_path, reader, folder):
    """Standing still costs no parse; a new file, or another place of `current`, is seen at once."""
    routes = Routes(State(tmp_path), reader)
    assert [routes.now()["iris"].weight for _ in range(3)] == [0.0, 0.0, 0.0]
    assert reader.asked == 1
    reader.weight = 0.5
    staged = folder / "attempts" / "iris-1" / "staged"
    staged.write_text("2")
    staged.replace(folder / "attempts" / "iris-1" / "route.json")
    assert routes.now()["iris"].weight == 0.5
    reader.weight = 0.0
    (folder / "current").unlink()
    (folder / "current").symlink_to("legacy")
    assert routes.now()["iris"].weight == 0.0
    assert reader.asked == 3


def test_a_route_that_cannot_be_read_is_left_out(tmp_path, reader, folder):
    """Nobody acts on what a route was; and it is there again as soon as it can be read."""
    routes = Routes(State(tmp_path), reader)
    assert "iris" in routes.now()
    reader.broken = True
    (folder / "current").unlink()
    assert routes.now() == {}
    (folder / "current").symlink_to("legacy")
    assert routes.now() == {}
    reader.broken = False
    assert "iris" in routes.now()


def test_no_routes_yet_is_no_error(tmp_path, reader):
    """Both programs may start before the first model is registered."""
    assert Routes(State(tmp_path), reader).now() == {}


def test_a_router_that_tells_all_its_routes_is_asked_for_them(tmp_path):
    """In one call, whatever files there are; none where it does not answer."""
    answers = [{"iris": "its route"}]

    class Lister:
        def all_routes(self):
            if not answers:
                raise UnreachableError("API server", observed="no answer", limit="one", remedy="Wait.")
            return answers.pop()

    routes = source(State(tmp_path), Lister())
    assert [routes.now(), routes.now()] == [{"iris": "its route"}, {}]
