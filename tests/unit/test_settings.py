import pytest

from turnout.domain.errors import InvalidInputError, NotFoundError
from turnout.settings import load

NEEDED = "state: s\nmanifests: m\ncontracts: c\npools: p\nowners: o\n"


def read(tmp_path, text):
    """Settings from a file."""
    file = tmp_path / "turnout.yaml"
    file.write_text(NEEDED + text)
    return load(file)


def test_without_a_section_no_image_is_named(tmp_path):
    """Discovery and plan need none."""
    found = read(tmp_path, "estate: cluster\n")
    assert not found.cluster.images
    assert found.cluster.packages.access_mode == "ReadWriteMany"


def test_images_and_volumes_are_read(tmp_path):
    """By digest, in the class of the user's own."""
    found = read(
        tmp_path,
        "cluster:\n  images: {triton: 'registry.example/triton@sha256:0'}\n"
        "  packages: {storage_class: shared, least_gib: 1024}\n  head_pool: heads\n",
    )
    assert found.cluster.images == {"triton": "registry.example/triton@sha256:0"}
    assert (found.cluster.packages.storage_class, found.cluster.packages.least_gib) == ("shared", 1024)
    assert found.cluster.head_pool == "heads"


@pytest.mark.parametrize(("section", "said"), [
    ("{images: {tritn: a}}", "'triton'"),
    ("{images: {triton: ''}}", "pattern"),
    ("{packages: {access_mode: Some}}", "'ReadWriteOnce'"),
    ("{packages: {least_gib: 0}}", "greater than or equal to 1"),
    ("{image: {}}", "not permitted"),
])  # fmt: skip
def test_a_wrong_value_names_its_line(tmp_path, section, said):
    """The section's line and what is allowed there."""
    with pytest.raises(InvalidInputError, match=f"line 6: cluster: .*{said}"):
        read(tmp_path, f"cluster: {section}\n")


def test_the_section_may_be_a_file_of_its_own(tmp_path):
    """So that an overlay says what differs; what is wrong in it is told with its own name and line."""
    (tmp_path / "cluster.yaml").write_text("images: {worker: w}\npackages: {least_gib: 5}\n")
    assert read(tmp_path, "cluster: cluster.yaml\n").cluster.packages.least_gib == 5
    (tmp_path / "cluster.yaml").write_text("images: {worker: w}\npackages: 7\n")
    with pytest.raises(InvalidInputError, match=r"cluster.yaml: line 2: packages: "):
        read(tmp_path, "cluster: cluster.yaml\n")
    with pytest.raises(NotFoundError, match=r"another.yaml: No such file"):
        read(tmp_path, "cluster: another.yaml\n")
