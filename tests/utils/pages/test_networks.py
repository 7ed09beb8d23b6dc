"""What the page "Draw a digit" runs: which networks, how long a file is kept, and the runtime."""

import json
import shutil

import pytest

from torchbudget.declare.zoofile import load_zoo
from torchbudget.errors import UsageError
from utils.pages import runtime
from utils.pages.networks import (
    LIMIT,
    SOURCES,
    Maker,
    choose,
    count_bytes,
    file_name,
    list_entries,
)


@pytest.fixture(scope="module")
def listed(zoo_file):
    return list_entries(zoo_file)


def names(listed) -> list[str]:
    return [one.entry.name for one in listed]


def test_the_entries_of_mnist_are_listed_from_the_smallest(listed, zoo_file):
    params = [one.run.params for one in listed]
    assert params == sorted(params)
    assert set(names(listed)) == {
        name for name, entry in load_zoo(zoo_file).items() if entry.dataset == "mnist"
    }


def test_an_entry_is_left_out_exactly_where_it_adds_more_than_the_limit(listed, zoo_file):
    weights = zoo_file.parent / "weights"
    chosen, left_out = choose(listed, weights)
    assert sorted(names(chosen) + names(left_out)) == sorted(names(listed))
    run = {file_name(part): part for one in chosen for part in one.parts}
    alone = {file_name(part) for one in chosen if len(one.parts) == 1 for part in one.parts}
    for one in chosen:
        added = [part for part in one.parts if file_name(part) not in alone or len(one.parts) == 1]
        assert count_bytes(added, weights) <= LIMIT
    assert left_out
    for one in left_out:
        added = [part for part in one.parts if file_name(part) not in run]
        assert count_bytes(added, weights) > LIMIT


@pytest.fixture
def root(zoo_file, tmp_path):
    """A copy of what the file of `slim` is made of."""
    for name in (*SOURCES, "weights/slim-seed0.safetensors"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(zoo_file.parent / name, tmp_path / name)
    return tmp_path


@pytest.mark.parametrize("changed", [*SOURCES, "weights/slim-seed0.safetensors"])
def test_a_file_is_kept_until_something_that_it_is_made_of_changes(changed, root, zoo_file):
    part = (load_zoo(zoo_file)["slim"], 0)
    before = Maker(root, root / "kept").find_kept(part)
    assert Maker(root, root / "kept").find_kept(part) == before
    with (root / changed).open("ab") as file:
        file.write(b"\n")
    assert Maker(root, root / "kept").find_kept(part) != before


# --- the runtime ----------------------------------------------------------------------------------


@pytest.fixture
def packages(zoo_file, tmp_path):
    """A folder with the lock file, and the runtime as npm would have installed it."""
    shutil.copy(zoo_file.parent / "package-lock.json", tmp_path)
    package = tmp_path / "node_modules" / runtime.PACKAGE
    (package / "dist").mkdir(parents=True)
    (package / "package.json").write_text(json.dumps({"version": runtime.read_pin(tmp_path)}))
    for name in runtime.FILES:
        (package / "dist" / name).write_text(name)
    return tmp_path


def test_the_runtime_that_is_installed_is_copied(packages, tmp_path):
    runtime.copy_runtime(packages, tmp_path / "site")
    folder = tmp_path / "site" / runtime.FOLDER
    assert sorted(file.name for file in folder.iterdir()) == sorted(runtime.FILES)


@pytest.mark.parametrize("version", [None, "1.0.0"])
def test_without_the_pinned_runtime_and_npm_one_line_says_so(
    version, packages, tmp_path, monkeypatch
):
    package = packages / "node_modules" / runtime.PACKAGE / "package.json"
    package.unlink()
    if version:
        package.write_text(json.dumps({"version": version}))
    monkeypatch.setenv("PATH", "")
    with pytest.raises(UsageError, match="npm is not installed") as caught:
        runtime.copy_runtime(packages, tmp_path / "site")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "site").exists()


def test_a_lock_file_that_is_none_is_named(packages, tmp_path):
    (packages / "package-lock.json").write_text("{}")
    with pytest.raises(UsageError, match=r"package-lock\.json"):
        runtime.copy_runtime(packages, tmp_path / "site")


def test_the_lock_file_pins_what_package_json_names_and_no_address(zoo_file):
    root = zoo_file.parent
    package = json.loads((root / "package.json").read_text(encoding="utf-8"))
    text = (root / "package-lock.json").read_text(encoding="utf-8")
    locked = json.loads(text)["packages"]
    for name, version in {**package["dependencies"], **package["devDependencies"]}.items():
        assert locked[f"node_modules/{name}"]["version"] == version
    assert "://" not in text
