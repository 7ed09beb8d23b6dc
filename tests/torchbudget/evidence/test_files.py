"""What is written follows links, leaves pipes and devices in place, and replaces no input."""

import os
import re
import threading
from pathlib import Path

import pytest

from torchbudget.errors import UsageError
from torchbudget.evidence.files import check_outputs, write_atomically


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_link_stays_and_its_target_is_replaced_whole(tmp_path):
    (tmp_path / "shared").mkdir()
    target = tmp_path / "shared" / "results.json"
    target.write_text("old")
    (tmp_path / "middle").symlink_to("shared/results.json")
    (tmp_path / "link").symlink_to("middle")
    write_atomically(tmp_path / "link", "new")
    assert (tmp_path / "link").is_symlink() and target.read_text() == "new"
    assert names(tmp_path / "shared") == ["results.json"]


def test_a_link_to_nothing_makes_its_target(tmp_path):
    (tmp_path / "link").symlink_to("later")
    write_atomically(tmp_path / "link", "new")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "later").read_text() == "new"


def test_a_device_stays_behind_its_link(tmp_path):
    (tmp_path / "link").symlink_to(os.devnull)
    write_atomically(tmp_path / "link", b"new")
    assert (tmp_path / "link").is_symlink() and not Path(os.devnull).is_file()


def test_a_pipe_is_written_to(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    received: list[str] = []
    reader = threading.Thread(target=lambda: received.append((tmp_path / "pipe").read_text()))
    reader.start()
    write_atomically(tmp_path / "pipe", lambda path: path.write_text("new"))
    reader.join()
    assert received == ["new"] and (tmp_path / "pipe").is_fifo()


@pytest.mark.parametrize("kind", ["full", "folder", "loop"])
def test_an_error_names_the_file_that_was_to_be_written(kind, tmp_path):
    path = tmp_path / kind
    if kind == "full":
        path.symlink_to("/dev/full")
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to("loop")
    with pytest.raises(OSError, match=re.escape(str(path))) as caught:
        write_atomically(path, "new")
    assert caught.value.filename == str(path)


def test_no_output_is_an_input_however_it_is_named(tmp_path):
    zoo = tmp_path / "zoo.json"
    zoo.write_text("mine")
    (tmp_path / "link").symlink_to("zoo.json")
    os.link(zoo, tmp_path / "hard")
    for name in ("zoo.json", "link", "hard", "../" + tmp_path.name + "/zoo.json"):
        with pytest.raises(UsageError, match=r"^--json .* would replace what this command reads$"):
            check_outputs({"--json": tmp_path / name}, [zoo])
    check_outputs({"--json": tmp_path / "other.json"}, [zoo])


def test_no_output_is_a_python_file_or_in_a_folder_that_is_read(tmp_path):
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "a.safetensors").write_text("mine")
    for name in ("weights/a.safetensors", "model.py"):
        with pytest.raises(UsageError, match=r"^--out "):
            check_outputs({"--out": tmp_path / name}, [], [tmp_path / "weights"])


def test_two_outputs_are_two_files(tmp_path):
    both = {"--json": tmp_path / "a", "--junit": tmp_path / "a"}
    with pytest.raises(UsageError, match="--junit and --json both write"):
        check_outputs(both, [])
    check_outputs({"--json": Path(os.devnull), "--junit": Path(os.devnull)}, [])
