from pathlib import Path

import pytest

from weakseg.checkpoints import digest, newest, seal


def write(folder: Path, step: int, content: bytes | None = None) -> Path:
    written = folder / "writing.ckpt"
    written.write_bytes(content if content is not None else b"state %d" % step)
    return seal(written, step)


def test_a_sealed_checkpoint_carries_step_and_digest(tmp_path: Path) -> None:
    path = write(tmp_path, 40)
    assert path.name == f"step-00000040-{digest(path)}.ckpt"
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_the_two_newest_stay(tmp_path: Path) -> None:
    paths = [write(tmp_path, step) for step in (100, 200, 1000)]
    assert sorted(tmp_path.iterdir()) == sorted(paths[1:])
    assert newest(tmp_path) == paths[2]


def test_a_step_written_again_replaces_itself_and_spares_the_one_before(tmp_path: Path) -> None:
    first, _, again = write(tmp_path, 1), write(tmp_path, 2), write(tmp_path, 2, b"other")
    assert sorted(tmp_path.iterdir()) == sorted([first, again])


def test_going_on_before_a_damaged_checkpoint_removes_it(tmp_path: Path) -> None:
    first, damaged = write(tmp_path, 1), write(tmp_path, 4)
    damaged.write_bytes(b"x")
    third = write(tmp_path, 3)
    assert sorted(tmp_path.iterdir()) == sorted([first, third])


def test_no_checkpoint_is_no_error(tmp_path: Path) -> None:
    assert newest(tmp_path) is None
    assert newest(tmp_path / "absent") is None


def test_f03_a_file_still_being_written_does_not_count(tmp_path: Path) -> None:
    sealed = write(tmp_path, 1)
    (tmp_path / "writing.ckpt").write_bytes(b"half")
    (tmp_path / "step-00000009.ckpt").write_bytes(b"of another tool")
    assert newest(tmp_path) == sealed


def test_f04_a_damaged_checkpoint_is_passed_over_with_a_warning(tmp_path: Path) -> None:
    older, damaged = write(tmp_path, 1), write(tmp_path, 2)
    damaged.write_bytes(damaged.read_bytes()[:-1])
    with pytest.warns(UserWarning, match="damaged"):
        assert newest(tmp_path) == older


def test_f04_only_damaged_checkpoints_are_an_error(tmp_path: Path) -> None:
    write(tmp_path, 1).write_bytes(b"")
    with pytest.warns(UserWarning, match="damaged"), pytest.raises(RuntimeError, match="delete"):
        newest(tmp_path)
