"""Files that grow beside the one they become."""

from __future__ import annotations

import errno

import pytest

from edge_runtime.errors import ConfigError, EdgeSerError
from edge_runtime.files import atomic_text_writer


def test_the_file_appears_when_it_is_complete(tmp_path):
    path = tmp_path / "answers.csv"
    with atomic_text_writer(path) as file:
        file.write("one\n")
        assert not path.exists()
    assert path.read_text() == "one\n"
    assert list(tmp_path.iterdir()) == [path]


def test_after_an_error_the_part_stays_and_the_old_file_too(tmp_path):
    path, part = tmp_path / "answers.csv", tmp_path / "answers.csv.part"
    path.write_text("old")
    with pytest.raises(KeyboardInterrupt), atomic_text_writer(path, force=True) as file:
        file.write("one\n")
        raise KeyboardInterrupt
    assert (path.read_text(), part.read_text()) == ("old", "one\n")


@pytest.mark.parametrize("there", ["answers.csv", "answers.csv.part"])
def test_nothing_is_replaced_without_force(tmp_path, there):
    (tmp_path / there).write_text("old")
    with (
        pytest.raises(ConfigError, match=f"{there}: exists already"),
        atomic_text_writer(tmp_path / "answers.csv"),
    ):
        pass
    assert (tmp_path / there).read_text() == "old"
    with atomic_text_writer(tmp_path / "answers.csv", force=True) as file:
        file.write("new")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["new"]


def test_a_link_goes_on_to_lead_to_the_file(tmp_path):
    link, target = tmp_path / "link.csv", tmp_path / "target.csv"
    link.symlink_to(target)
    with atomic_text_writer(link) as file:
        file.write("new")
    assert link.is_symlink() and target.read_text() == "new"


def test_what_a_full_disk_leaves_is_told_of(tmp_path, monkeypatch):
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with (
        pytest.raises(EdgeSerError, match=r"No space left on device; .* are in .*a\.csv\.part$"),
        atomic_text_writer(tmp_path / "a.csv") as file,
    ):
        file.write("one\n")
    assert (tmp_path / "a.csv.part").read_text() == "one\n"


def test_what_cannot_be_written_is_named(tmp_path, monkeypatch):
    with (
        pytest.raises(ConfigError, match="make it first"),
        atomic_text_writer(tmp_path / "no" / "a.csv"),
    ):
        pass
    with pytest.raises(ConfigError, match="is a directory"), atomic_text_writer(tmp_path):
        pass
    monkeypatch.setattr("os.access", lambda path, mode: path != tmp_path)  # root may write anywhere
    with (
        pytest.raises(ConfigError, match="cannot be written to"),
        atomic_text_writer(tmp_path / "a.csv"),
    ):
        pass
    full = "/dev/full: cannot be written: No space left on device"
    with (
        pytest.raises(EdgeSerError, match=full),
        atomic_text_writer(type(tmp_path)("/dev/full")) as file,
    ):
        file.write("new")
