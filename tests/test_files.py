"""Files appear whole or not at all."""

from pathlib import Path

import pytest

from shoptalk.errors import StorageError
from shoptalk.files import replacing, sha256, write_json, write_text


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    write_text(path, "old")

    def fail() -> None:
        with replacing(path) as temporary:
            temporary.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_replaces_a_folder(tmp_path: Path) -> None:
    path = tmp_path / "folder"
    for name in ("old", "new"):
        with replacing(path) as temporary:
            temporary.mkdir()
            (temporary / name).write_text(name)
    assert [file.name for file in path.iterdir()] == ["new"]
    assert list(tmp_path.iterdir()) == [path]


def test_files_of_a_folder_may_be_read_by_those_who_may_look_into_it(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").touch(0o600)
    for mode, expected in ((0o755, 0o644), (0o750, 0o640), (0o700, 0o600)):
        with replacing(tmp_path / "folder") as temporary:
            temporary.mkdir()
            (temporary / "private").touch(0o600)
            (temporary / "link").symlink_to(tmp_path / "elsewhere")
            temporary.chmod(mode)
        assert (tmp_path / "folder" / "private").stat().st_mode & 0o777 == expected
    assert (tmp_path / "elsewhere").stat().st_mode & 0o777 == 0o600  # what a link leads to is not changed


def test_a_place_that_cannot_be_written_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageError, match="cannot write"):
        write_text(tmp_path / "file" / "a.txt", "text")


def test_json_has_no_nan(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"a": float("nan"), "b": [float("inf"), 1.5], "c": {"d": (2,)}})
    assert (tmp_path / "a.json").read_text().split() == [
        "{",
        '"a":',
        "null,",
        '"b":',
        "[",
        "null,",
        "1.5",
        "],",
        '"c":',
        "{",
        '"d":',
        "[",
        "2",
        "]",
        "}",
        "}",
    ]


def test_sha256_of_an_empty_file(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()  # the digest of no bytes, as FIPS 180-4's examples give it
    assert sha256(tmp_path / "empty") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
