"""Files are written whole or not at all, and the newest checkpoint is the one that loads.

Weights that do not fit their network are refused.
"""

import re

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from model import Net3, Slim
from torchbudget.errors import CheckpointError, WeightsError
from torchbudget.evidence.files import file_digest, write_atomically
from torchbudget.evidence.weights import load_weights, save_weights
from utils.checkpoint import clear_checkpoints, list_checkpoints, load_checkpoint, save_checkpoint


def names(folder) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def slim(seed: int = 0) -> torch.nn.Module:
    torch.manual_seed(seed)
    return Slim()


# --- writing --------------------------------------------------------------------------------------


def test_a_file_is_written_whole_in_folders_that_it_makes(tmp_path):
    write_atomically(tmp_path / "a" / "b" / "file", lambda path: path.write_text("new"))
    assert (tmp_path / "a" / "b" / "file").read_text() == "new" and names(tmp_path / "a" / "b") == [
        "file"
    ]


@pytest.mark.parametrize(
    "error", [OSError("no space left"), KeyboardInterrupt(), ValueError("bad")], ids=repr
)
@pytest.mark.parametrize("old", ["old", None])
def test_a_writer_that_raises_leaves_the_old_file_and_no_rubbish(error, old, tmp_path):
    def write(path):
        path.write_text("half of the n")
        raise error

    if old:
        (tmp_path / "file").write_text(old)
    with pytest.raises(type(error)):
        write_atomically(tmp_path / "file", write)
    assert names(tmp_path) == ["file"] * bool(old)
    assert not old or (tmp_path / "file").read_text() == old


def test_a_reader_sees_the_old_file_until_the_new_one_is_whole(tmp_path):
    def write(path):
        path.write_text("new")
        seen.append((tmp_path / "file").read_text())

    seen = []
    (tmp_path / "file").write_text("old")
    write_atomically(tmp_path / "file", write)
    assert seen == ["old"] and (tmp_path / "file").read_text() == "new"


def test_a_file_can_be_read_by_others(tmp_path):
    write_atomically(tmp_path / "file", lambda path: path.write_text("new"))
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o644


# --- checkpoints ----------------------------------------------------------------------------------


@settings(max_examples=30)
@example(count=3, first=998)
@given(count=st.integers(1, 12), first=st.integers(1, 2_000))
def test_the_newest_five_are_kept_and_the_newest_loads(count, first, tmp_path_factory):
    folder = tmp_path_factory.mktemp("checkpoints")
    for epoch in range(first, first + count):
        save_checkpoint(folder, epoch, {"epoch": epoch, "weights": torch.full((3,), epoch)})
    kept = [load["epoch"] for load in (torch.load(path) for path in list_checkpoints(folder))]
    assert kept == list(range(first, first + count))[-5:]
    assert load_checkpoint(folder)["epoch"] == first + count - 1 and len(names(folder)) == len(kept)


def test_a_checkpoint_gives_back_what_it_was_given(tmp_path):
    state = {
        "network": slim().state_dict(),
        "generator": torch.Generator().manual_seed(3).get_state(),
        "history": [[2.3, None, 0.1]],
        "cuda": [],
    }
    save_checkpoint(tmp_path, 1, state)
    found = load_checkpoint(tmp_path)
    assert (
        found.keys() == state.keys()
        and found["history"] == state["history"]
        and torch.equal(found["generator"], state["generator"])
    )
    assert all(
        torch.equal(found["network"][name], tensor) for name, tensor in state["network"].items()
    )


def test_an_earlier_runs_checkpoints_are_cleared_and_nothing_else(tmp_path):
    save_checkpoint(tmp_path, 7, {"epoch": 7})
    (tmp_path / "notes.txt").write_text("mine")
    clear_checkpoints(tmp_path)
    assert names(tmp_path) == ["notes.txt"]
    clear_checkpoints(tmp_path / "never made")


DAMAGE = {
    "cut short": lambda content: content[: len(content) // 2],
    "empty": lambda content: b"",
    "no archive": lambda content: b"<html>",
    "a flipped byte": lambda content: content.replace(b"\x55\x55\x55\x55", b"\x55\x55\x54\x55", 1),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_corrupt_newest_checkpoint_is_named_and_the_one_before_still_loads(damage, tmp_path):
    for epoch in (8, 9):
        save_checkpoint(
            tmp_path,
            epoch,
            {"epoch": epoch, "noise": torch.full((4_000,), 0x55, dtype=torch.uint8)},
        )
    newest = tmp_path / "epoch-009.pt"
    newest.write_bytes(DAMAGE[damage](newest.read_bytes()))
    with pytest.raises(
        CheckpointError,
        match=rf"^{re.escape(str(newest))} is corrupt: .*; "
        "delete it to resume from the one before$",
    ):
        load_checkpoint(tmp_path)
    newest.unlink()
    assert load_checkpoint(tmp_path)["epoch"] == 8


@pytest.mark.parametrize("made", [True, False])
def test_a_folder_without_checkpoints_is_named(made, tmp_path):
    folder = tmp_path / "slim-seed0"
    if made:
        folder.mkdir()
    with pytest.raises(
        CheckpointError,
        match=f"^{re.escape(str(folder))} holds no checkpoint; start without --resume$",
    ):
        load_checkpoint(folder)


def test_a_checkpoint_runs_no_code(tmp_path):
    torch.save({"epoch": print}, tmp_path / "epoch-001.pt")
    with pytest.raises(CheckpointError, match=r"epoch-001\.pt is corrupt: UnpicklingError"):
        load_checkpoint(tmp_path)


# --- weights --------------------------------------------------------------------------------------


def test_weights_come_back_as_they_were_and_to_the_byte(tmp_path):
    digest = save_weights(
        tmp_path / "first.safetensors", slim(0).to(memory_format=torch.channels_last)
    )
    loaded = load_weights(tmp_path / "first.safetensors", slim(1))
    assert all(
        torch.equal(tensor, slim(0).state_dict()[name])
        for name, tensor in loaded.state_dict().items()
    )
    assert (
        save_weights(tmp_path / "again.safetensors", loaded)
        == digest
        == file_digest(tmp_path / "first.safetensors")
    )
    assert save_weights(tmp_path / "other.safetensors", slim(1)) != digest


def with_table() -> torch.nn.Module:
    network = slim()
    network.register_buffer("table", torch.ones(3))
    return network


def with_eleven_classes() -> torch.nn.Module:
    network = slim()
    network.classify = torch.nn.Linear(32, 11)
    return network


UNFIT = {
    "another network's": lambda path: save_weights(path, Net3()),
    "a key too many": lambda path: save_weights(path, with_table()),
    "another shape": lambda path: save_weights(path, with_eleven_classes()),
}
CORRUPT = {
    "cut short": lambda path: path.write_bytes(path.read_bytes()[:-1]),
    "empty": lambda path: path.write_bytes(b""),
    "text": lambda path: path.write_text("version https://example.com/spec/v1"),
}


REFUSED = [("does not fit the network: ", spoil) for spoil in UNFIT.values()] + [
    ("is corrupt: ", spoil) for spoil in CORRUPT.values()
]


@pytest.mark.parametrize(("reason", "spoil"), REFUSED, ids=[*UNFIT, *CORRUPT])
def test_weights_that_do_not_fit_are_one_line_that_names_the_file(reason, spoil, tmp_path):
    path = tmp_path / "slim-seed0.safetensors"
    save_weights(path, slim())
    spoil(path)
    with pytest.raises(WeightsError, match=f"^{re.escape(str(path))} {reason}") as caught:
        load_weights(path, slim(1))
    assert "\n" not in str(caught.value)


def test_missing_weights_are_named_with_what_to_do(tmp_path):
    with pytest.raises(
        WeightsError,
        match=f"^{re.escape(str(tmp_path / 'net3-seed0.safetensors'))} is missing; "
        "restore it, or train and record the run again$",
    ):
        load_weights(tmp_path / "net3-seed0.safetensors", Net3())
