from pathlib import Path

from turnout.lab.cluster import dockerfiles


def test_an_image_of_a_dockerfile_follows_what_it_copies(tmp_path: Path, monkeypatch):
    """Change the Dockerfile, or something that it copies, and it is another image; else it is the same."""
    monkeypatch.setenv("TURNOUT_ROOT", str(tmp_path))
    (tmp_path / "deployments/images").mkdir(parents=True)
    (tmp_path / "deployments/images/a.Dockerfile").write_text("FROM x\nCOPY lock /lock\nCOPY code /code\n")
    (tmp_path / "lock").write_text("1")
    (tmp_path / "code").mkdir()
    (tmp_path / "code/main.py").write_text("1")
    seen = [dockerfiles.reference("a")]
    assert dockerfiles.reference("a") == seen[0]

    (tmp_path / "code/main.py").write_text("2")
    seen.append(dockerfiles.reference("a"))
    (tmp_path / "lock").write_text("2")
    seen.append(dockerfiles.reference("a"))
    (tmp_path / "code/go.sum").write_text("1")
    seen.append(dockerfiles.reference("a"))
    assert len(set(seen)) == 4

    (tmp_path / "code/__pycache__").mkdir()
    (tmp_path / "code/__pycache__/main.cpython-311.pyc").write_text("1")
    assert dockerfiles.reference("a") == seen[-1]
