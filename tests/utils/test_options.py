"""The words of train.py: what it does not take is one line, and no word imports anything."""

from pathlib import Path

import pytest
from tiny_zoo import ZOO

from torchbudget.errors import UsageError
from utils.options import find_device, find_zoo, parse
from utils.study import StudyUsageError, open_storage

ENTRIES = {"tiny": ZOO[0]}
PAYLOADS = (
    "--recipe.optimizer=planted.Payload",
    '--recipe.optimizer={"class_path": "planted.Payload"}',
    '--recipe.augment=[{"class_path": "planted.Payload"}]',
    "--recipe.average=planted.Payload",
    "--recipe=planted.Payload",
    "--recipe.schedule=os.system",
)


@pytest.mark.parametrize("word", PAYLOADS)
def test_no_option_imports_what_it_names(word, tmp_path, monkeypatch):
    (tmp_path / "planted.py").write_text(f"open({str(tmp_path / 'canary')!r}, 'w')\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(UsageError) as caught:
        parse(["tiny", word], ENTRIES)
    assert not (tmp_path / "canary").exists() and "\n" not in str(caught.value)


def test_a_class_of_the_toolkit_is_named_by_its_own_name():
    entry, overrides, _ = parse(["tiny", "--recipe.optimizer", "Adam"], ENTRIES)
    assert type(entry.recipe.optimizer).__name__ == "Adam" and overrides


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--recipe.epoch 3", "did you mean --recipe.epochs?"),
        ("--resum", "did you mean --resume?"),
        ("--seed -1", "-1 is negative"),
        ("--seed 99999999999999999999", "is more than"),
        ("--recipe.optimizer.momentum 7", "SGD: momentum must be from 0 to 0.9999, not 7"),
        ("--recipe.focus.share 2", "Focus: share must be from 1e-06 to 1, not 2"),
        ("--recipe.rounding.epochs 0", "Rounding: epochs must be an integer of at least 1"),
        ("--recipe.freeze.module 0 --recipe.freeze.after 2", "Freeze: after must be from 0 to 1"),
    ],
)
def test_a_word_that_it_does_not_take_is_wrong_usage(words, message):
    with pytest.raises(UsageError) as caught:
        parse(["tiny", *words.split()], ENTRIES)
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_a_zoo_without_a_file_is_wrong_usage():
    with pytest.raises(UsageError, match="--zoo"):
        find_zoo(["tiny", "--zoo"], Path("zoo.py"))


@pytest.mark.parametrize("device", ["meta", "nowhere", "hpu"])
def test_a_device_that_cannot_compute_is_named(device):
    with pytest.raises(UsageError, match=f"--device {device} cannot be used here"):
        find_device(device)


@pytest.mark.parametrize("url", ["redis://host/0", "rediss://host", "journal://file"])
def test_a_storage_that_may_unpickle_is_never_opened(url):
    with pytest.raises(StudyUsageError, match="could run code here"):
        open_storage(url)
