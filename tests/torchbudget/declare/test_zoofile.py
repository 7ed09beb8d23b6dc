"""Zoo files: an unreadable file is one error that names it; entries and fields are found."""

import ast
import re
import subprocess
import sys

import pytest

from torchbudget.declare.zoofile import load_zoo, locate, select_entries
from torchbudget.errors import ZooError

HEAD = (
    "from model import Slim\n"
    "from utils.entry import *\n"
    "recipe = Recipe(epochs=1, batch_size=9, optimizer=SGD(), schedule=Constant(lr=1))\n"
)
BUDGET = "Budget(max_params=9, max_epochs=9, max_misses=9)"
ONE = f"Entry(name='one', network=Slim, recipe=recipe, budget={BUDGET})"
UNUSABLE = {
    "missing": (None, "is not a file"),
    "error on import": (
        "import no_such_module",
        "cannot be imported: ModuleNotFoundError: .*no_such_module",
    ),
    "syntax error": ("ZOO = (", "cannot be imported: SyntaxError"),
    "bad value": (
        HEAD + "ZOO = (Budget(max_params=0, max_epochs=9, max_misses=9),)",
        "max_params must be an integer of at least 1, not 0",
    ),
    "no ZOO": (HEAD, "must define ZOO"),
    "empty ZOO": ("ZOO = ()", "must define ZOO"),
    "no entries": ("ZOO = (1, 2)", "must define ZOO"),
    "a set": (
        HEAD + f"ZOO = {{{ONE}}}",
        "not a set, which is a set and has no order; write ZOO = ",
    ),
    "a string": ("ZOO = 'one'", "not a str, which is a string; write ZOO = \\(Entry\\(...\\),\\)"),
    "a class": (
        "from torchbudget.declare.entry import Entry\nZOO = (Entry,)",
        "ZOO holds the class Entry; write Entry\\(\\)",
    ),
    "a word that a budget does not have": (
        HEAD + "ZOO = (Budget(max_parms=1),)",
        "unexpected keyword argument 'max_parms'.* \\(did you mean max_params\\?\\)$",
    ),
    "a data set that is not offered": (
        "from torchbudget import data\nZOO = data.MNITS",
        "no attribute 'MNITS'.* \\(did you mean MNIST\\?\\)$",
    ),
    "duplicates": (HEAD + f"ZOO = ({ONE}, {ONE})", "declares one 2 times"),
    "exits": ("import sys\nsys.exit(0)", "cannot be imported: SystemExit"),
    "a member that is not judged": (
        HEAD + f"ZOO = (Ensemble(name='jury', members=(Member(entry={ONE}),), budget={BUDGET}),)",
        "one, a member of jury, is not in ZOO",
    ),
}


@pytest.mark.parametrize("name", UNUSABLE)
def test_an_unusable_zoo_file_is_one_error_that_names_it(name, tmp_path):
    text, reason = UNUSABLE[name]
    path = tmp_path / "broken_zoo.py"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ZooError, match=f"^{re.escape(str(path))}:? .*{reason}"):
        load_zoo(path)


def test_a_zoo_file_imports_its_own_neighbours_before_ours(tmp_path, zoo_file):
    (tmp_path / "model.py").write_text(
        "from torch import nn\nclass Slim(nn.Module): theirs = True\n"
    )
    (tmp_path / "zoo.py").write_text(HEAD + f"ZOO = ({ONE},)")
    load = (
        "from pathlib import Path; from torchbudget.declare.zoofile import load_zoo; "
        f"zoo = load_zoo(Path({str(tmp_path / 'zoo.py')!r})); print(zoo['one'].network.theirs)"
    )
    path = (
        f"import sys; sys.path[:0] = [{str(zoo_file.parent)!r}]; "
        f"sys.path.append({str(tmp_path)!r}); "
    )
    assert (
        subprocess.run(
            [sys.executable, "-c", path + load], capture_output=True, text=True, check=True
        ).stdout
        == "True\n"
    )


def test_nothing_is_written_beside_what_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    (tmp_path / "neighbour.py").touch()
    (tmp_path / "zoo.py").write_text(f"import neighbour\n{HEAD}ZOO = ({ONE},)")
    load_zoo(tmp_path / "zoo.py")
    assert {path.name for path in tmp_path.iterdir()} == {"neighbour.py", "zoo.py"}
    assert not sys.dont_write_bytecode


def test_entries_are_selected_by_name_and_all_by_none(zoo_file):
    zoo = load_zoo(zoo_file)
    assert select_entries(zoo, []) == list(zoo.values())
    assert select_entries(zoo, ["net3", "slim"]) == [zoo["net3"], zoo["slim"]]
    with pytest.raises(
        ZooError, match=f"no entry 'slin' \\(did you mean slim\\?\\); the zoo has {', '.join(zoo)}"
    ):
        select_entries(zoo, ["slim", "slin"])


@pytest.mark.parametrize("field", ["max_misses", "requires", ""])
def test_a_field_is_located_at_the_line_that_declares_it(field, zoo_file):
    lines = zoo_file.read_text().splitlines()
    for name, entry in load_zoo(zoo_file).items():
        line = int(locate(zoo_file, name, field).removeprefix("zoo.py:")) - 1
        named = [text.strip() for text in lines].index(f'name="{name}",')
        assert re.search(r"(Entry|Ensemble)\($", lines[named - 1])
        declared = field and (field != "requires" or entry.budget.requires)
        assert f"{field}=" in lines[line] and line > named if declared else line == named - 1
        assert not any("name=" in between for between in lines[named + 1 : line])
    assert locate(zoo_file, "no_such_entry", field) == ""


def test_the_zoo_holds_literals_only(zoo_file):
    """And names for literals that several entries use."""
    allowed = {
        "Module",
        "ImportFrom",
        "alias",
        "Assign",
        "Expr",
        "Name",
        "Constant",
        "Tuple",
        "Call",
        "keyword",
        "Load",
        "Store",
        "UnaryOp",
        "USub",
    }
    tree = ast.parse(zoo_file.read_text())
    assert [
        ast.unparse(node) for node in ast.walk(tree) if type(node).__name__ not in allowed
    ] == []
    *names, last = [
        target.id for node in tree.body if isinstance(node, ast.Assign) for target in node.targets
    ]
    read = [
        node.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
    ]
    assert last == "ZOO" and all(name.isupper() and name in read for name in names)
