"""A run that could not be recorded says so before it trains, and leaves what was there."""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import ROOT
from filelock import FileLock

import train
from torchbudget.errors import StorageError
from torchbudget.evidence.files import file_digest
from utils import preflight
from utils.preflight import check_space


@contextlib.contextmanager
def mounted(folder: Path, *options: str) -> Iterator[None]:
    """A file system of its own in memory at `folder`."""
    folder.mkdir(exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", ",".join(["mode=777", *options]), "tmpfs", folder]
    try:
        done = subprocess.run(command, capture_output=True, text=True)
        failed = done.stderr if done.returncode else ""
    except OSError as error:
        failed = str(error)
    if failed:
        pytest.skip(f"NOT TESTED: a small disk; nothing can be mounted here: {failed.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def remount(folder: Path, option: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{option}", folder], check=True)


def fill(folder: Path, left: int) -> None:
    """Leave `left` bytes of the file system of `folder` free, to the page."""
    free = shutil.disk_usage(folder).free
    (folder / "ballast").write_bytes(bytes(free - left))


def snapshot(folder: Path) -> dict[str, str]:
    files = [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock"]
    return {str(path.relative_to(folder)): file_digest(path) for path in files}


def refuse(folder: Path, capsys, code: int, *words: str) -> str:
    """The one line by which train.py refuses to train in `folder`, where nothing changes."""
    before = snapshot(folder)
    assert train.main(["tiny", "--zoo", str(folder / "zoo.py"), *words]) == code
    printed = capsys.readouterr()
    assert "epoch" not in printed.out
    assert snapshot(folder) == before
    (line,) = printed.err.strip().splitlines()
    return line


@pytest.fixture
def disk(tmp_path) -> Iterator[Path]:
    """A folder of 4 MiB with the tiny zoo."""
    with mounted(tmp_path / "disk", "size=4m"):
        shutil.copy(ROOT / "tests" / "tiny_zoo.py", tmp_path / "disk" / "zoo.py")
        yield tmp_path / "disk"


def test_a_disk_without_room_is_refused_and_named(disk, capsys):
    fill(disk, 65_536)
    line = refuse(disk, capsys, 3)
    assert line.startswith(f"train.py: {disk}") and "nothing was trained" in line


def test_a_disk_that_cannot_be_written_is_refused_and_named(disk, capsys):
    remount(disk, "ro")
    assert refuse(disk, capsys, 3) == (
        f"train.py: {disk}/checkpoints/tiny-seed0-mnist_sample cannot be written: "
        "Read-only file system; nothing was trained"
    )


def test_a_disk_that_fills_while_it_trains_names_the_file_and_resume(disk, capsys, monkeypatch):
    """The weights and the record of before stay, and --resume goes on."""
    command = ["tiny", "--zoo", str(disk / "zoo.py")]
    save = train.checkpoint.save_checkpoint

    def save_and_fill(folder: Path, *state: object) -> None:
        save(folder, *state)
        fill(disk, 0)

    monkeypatch.setattr(train.checkpoint, "save_checkpoint", save_and_fill)
    assert train.main(command) == 3
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith(f"train.py: {disk}/checkpoints/") and "epoch-002.pt: No space" in line
    assert "with --resume continues" in line
    assert sorted(path.name for path in disk.iterdir() if path.is_dir()) == ["checkpoints"]
    (disk / "ballast").unlink()
    monkeypatch.undo()
    assert train.main([*command, "--resume"]) == 0
    assert "resumed after epoch 1" in capsys.readouterr().out


def test_a_record_that_cannot_be_read_is_refused_before_the_weights_are_touched(zoo, capsys):
    (zoo / "results.json").write_text("junk")
    (zoo / "checkpoints/tiny-seed0-mnist_sample/epoch-001.pt").write_text("of an earlier run")
    line = refuse(zoo, capsys, 2)
    assert line.startswith(f"train.py: {zoo}/results.json is not a results file")


def test_a_record_that_another_process_holds_is_refused(zoo, capsys, monkeypatch):
    monkeypatch.setattr(preflight, "WAIT", 0.2)
    with FileLock(zoo / "results.json.lock"):
        line = refuse(zoo, capsys, 2, "--record")
    assert "results.json.lock is held by another run; wait until" in line


def test_a_file_in_the_place_of_a_folder_is_refused(zoo, capsys):
    shutil.rmtree(zoo / "results", ignore_errors=True)
    (zoo / "results").write_text("a file")
    assert f"{zoo}/results/weights cannot be written: Not a directory" in refuse(zoo, capsys, 3)


def test_a_folder_that_is_closed_to_others_is_refused(tmp_path):
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o500)
    needs = [(closed / "inner", 10, 10)]
    if os.geteuid():
        with pytest.raises(StorageError, match="Permission denied"):
            check_space(needs)
        return
    child = os.fork()  # root may write anywhere
    if child == 0:
        code = 1
        try:
            os.chmod(tmp_path, 0o755)
            os.setuid(65_534)
            check_space(needs)
        except StorageError as error:
            code = 0 if str(error).startswith(f"{closed}/inner cannot be written") else 1
        finally:
            os._exit(code)
    assert os.waitpid(child, 0)[1] == 0


def test_a_stray_file_among_the_checkpoints_is_named_and_left(zoo, capsys):
    stray = zoo / "checkpoints/tiny-seed0-mnist_sample/epoch-best.pt"
    stray.write_text("mine")
    assert train.main(["tiny", "--zoo", str(zoo / "zoo.py")]) == 0
    assert f"{stray} is no checkpoint of a run: left as it is" in capsys.readouterr().out
    assert stray.read_text() == "mine"
