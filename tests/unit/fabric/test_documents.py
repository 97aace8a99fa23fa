import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict

from turnout.domain.errors import InvalidInputError, NotFoundError
from turnout.fabric import documents

BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{name}: &{name} [{','.join([f'*{before}'] * 9)}]\n"
    for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)
MERGE_BOMB = "a: &a {k: v}\n" + "".join(
    f"{name}: &{name} {{<<: [{','.join([f'*{before}'] * 9)}]}}\n"
    for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    name: str
    count: int = 0


def _written(tmp_path, text):
    file = tmp_path / "file.yaml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


def test_every_part_knows_its_line(tmp_path):
    """An error can name the line of any key or entry, in every document of a file."""
    first, second = documents.read(_written(tmp_path, "a:\n  - 1\n  - b: 2\n---\n\nc: 3\n"))
    assert first.value == {"a": [1, {"b": 2}]}
    assert first.where(("a", 1, "b")).endswith("file.yaml:3")
    assert first.where(("a", 1, "missing")).endswith(":3")
    assert second.where(("c",)).endswith(":6")


def test_a_part_of_a_document_keeps_its_lines(tmp_path):
    """An object out of a list is read as if it stood alone, and its errors name its own lines."""
    (whole,) = documents.read(_written(tmp_path, "items:\n  - a: 1\n  - a: 2\n"))
    part = whole.at(("items", 1))
    assert part.value == {"a": 2}
    assert part.where(("a",)).endswith(":3")


def test_dates_stay_text_and_aliases_work(tmp_path):
    """A manifest's timestamp is text, as Kubernetes has it; plain aliases and merge keys are no bombs."""
    text = "on: 2024-01-01\nbase: &b {x: 1, y: 2}\nmore: {<<: *b, y: 3}\nagain: *b\n"
    (found,) = documents.read(_written(tmp_path, text))
    assert found.value["on"] == "2024-01-01"
    assert found.value["more"] == {"x": 1, "y": 3}
    assert found.value["again"] == {"x": 1, "y": 2}


@pytest.mark.parametrize(
    ("text", "line", "word"),
    [
        ("a: [1,\nb", 2, "not YAML"),
        ("a: 1\nb: 'x", 2, "not YAML"),
        ("\n\na: \x00", 1, "not YAML"),
        ("a: 1\na: 2\n", 2, "twice"),
        ("? [a]\n: 1\n", 1, "not text"),
        ("a: !!python/object/apply:os.system [ls]\n", 1, "tag"),
        ("a: !!int foo\n", 1, "no int"),
        ("a: !!bool foo\n", 1, "no bool"),
        ("a: !!binary xx\n", 1, "tag"),
        ("a: " + "9" * 5000, 1, "no int"),
        ("a: &a [*a]\n", 1, "alias"),
        (BOMB, 6, "aliases"),
        (MERGE_BOMB, 7, "aliases"),
        ("[" * 5000, 1, "nested"),
        ("{a: " * 5000, 1, "nested"),
        ("a: *nowhere\n", 1, "not YAML"),
        (b"a: \xff\xfe\n", None, "UTF-8"),
        (b"\x80" * 20, None, "UTF-8"),
    ],
)
def test_hostile_text_is_one_clear_line(tmp_path, text, line, word):
    """Bombs, tags, cycles, broken text: each is one error that names file and line, and never an overrun."""
    file = _written(tmp_path, text)
    with pytest.raises(InvalidInputError, match=word) as raised:
        documents.read(file)
    assert "\n" not in str(raised.value)
    assert len(str(raised.value)) < 500
    assert raised.value.subject == (f"{file}:{line}" if line else str(file))


def test_a_huge_file_is_refused_before_it_is_read(tmp_path):
    """A file beyond the limit costs no memory and no minutes."""
    file = tmp_path / "huge.yaml"
    with file.open("wb") as stream:
        stream.truncate(documents.LARGEST_BYTES + 1)
    with pytest.raises(InvalidInputError, match="Split the file"):
        documents.read(file)


def test_too_many_parts_are_refused(tmp_path, monkeypatch):
    """What a file may stand for is bounded also without aliases."""
    monkeypatch.setattr(documents, "MOST_PARTS", 1000)
    with pytest.raises(InvalidInputError, match="more than 1000 parts"):
        documents.read(_written(tmp_path, "- [1, 2, 3]\n" * 1000))


def test_a_missing_file_is_not_found(tmp_path):
    """A file that is not there is told apart from one that is wrong."""
    with pytest.raises(NotFoundError, match="No such file"):
        documents.read(tmp_path / "none.yaml")


@settings(deadline=None)
@given(text=st.text(max_size=60))
def test_no_text_ends_in_anything_but_data_or_one_line(tmp_path_factory, text):
    """Whatever stands in a file, reading it gives documents or an InvalidInputError."""
    file = tmp_path_factory.mktemp("any") / "file.yaml"
    file.write_text(text, encoding="utf-8", newline="")
    found = ""
    try:
        documents.read(file)
    except InvalidInputError as error:
        found = str(error)
    assert "\n" not in found


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("name: a\ncount: two\n", 2, "count: .* \\(found 'two'\\)"),
        ("name: a\ncount: '2'\n", 2, "count"),
        ("name: a\ncount: true\n", 2, "count"),
        ("name: a\n\nextra: 1\n", 3, "the key extra is unknown"),
        ("\ncount: 1\n", 2, "name is missing"),
        ("[1]\n", 1, "object"),
    ],
)
def test_a_wrong_value_names_its_line(tmp_path, text, line, words):
    """A record is built strictly, and the error says key, value and line."""
    (document,) = documents.read(_written(tmp_path, text))
    with pytest.raises(InvalidInputError, match=words) as raised:
        document.read_as(_Record, limit="a record")
    assert raised.value.subject.endswith(f":{line}")
