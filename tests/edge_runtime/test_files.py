"""Atomic writing of text files."""

from __future__ import annotations

import errno

import pytest

from edge_runtime.errors import ConfigError, EdgeSerError
from edge_runtime.files import atomic_text_writer


def test_file_appears_when_complete(tmp_path):
    path = tmp_path / "answers.csv"
    with atomic_text_writer(path) as file:
        file.write("one\n")
        assert not path.exists()
    assert path.read_text() == "one\n"
    assert list(tmp_path.iterdir()) == [path]


def test_error_keeps_partial_and_old_file(tmp_path):
    path, part = tmp_path / "answers.csv", tmp_path / "answers.csv.part"
    path.write_text("old")
    with pytest.raises(KeyboardInterrupt), atomic_text_writer(path, force=True) as file:
        file.write("one\n")
        raise KeyboardInterrupt
    assert (path.read_text(), part.read_text()) == ("old", "one\n")


@pytest.mark.parametrize("existing", ["answers.csv", "answers.csv.part"])
def test_no_file_is_replaced_without_force(tmp_path, existing):
    (tmp_path / existing).write_text("old")
    with (
        pytest.raises(ConfigError, match=f"{existing}: exists already"),
        atomic_text_writer(tmp_path / "answers.csv"),
    ):
        pass
    assert (tmp_path / existing).read_text() == "old"
    with atomic_text_writer(tmp_path / "answers.csv", force=True) as file:
        file.write("new")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["new"]


def test_link_stays_and_its_target_is_replaced(tmp_path):
    link, target = tmp_path / "link.csv", tmp_path / "target.csv"
    link.symlink_to(target)
    with atomic_text_writer(link) as file:
        file.write("new")
    assert link.is_symlink() and target.read_text() == "new"


def test_full_disk_error_names_the_partial_file(tmp_path, monkeypatch):
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with (
        pytest.raises(EdgeSerError, match=r"No space left on device; .* are in .*a\.csv\.part$"),
        atomic_text_writer(tmp_path / "a.csv") as file,
    ):
        file.write("one\n")
    assert (tmp_path / "a.csv.part").read_text() == "one\n"


def test_error_names_the_unwritable_path(tmp_path, monkeypatch):
    with (
        pytest.raises(ConfigError, match="create it first"),
        atomic_text_writer(tmp_path / "no" / "a.csv"),
    ):
        pass
    with pytest.raises(ConfigError, match="is a directory"), atomic_text_writer(tmp_path):
        pass
    monkeypatch.setattr("os.access", lambda path, mode: path != tmp_path)  # root may write anywhere
    with (
        pytest.raises(ConfigError, match="is not writable"),
        atomic_text_writer(tmp_path / "a.csv"),
    ):
        pass
    full = "/dev/full: cannot be written: No space left on device"
    with (
        pytest.raises(EdgeSerError, match=full),
        atomic_text_writer(type(tmp_path)("/dev/full")) as file,
    ):
        file.write("new")
