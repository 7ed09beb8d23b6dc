"""The README says what is so: its table, its commands, its example."""

import re
from pathlib import Path

import model
from torchbudget.data import MNIST
from torchbudget.declare.budget import Budget
from torchbudget.declare.zoofile import load_zoo
from torchbudget.evidence.results import read_results
from torchbudget.gates import GATES
from torchbudget.network.structure import (
    active_dropouts,
    bypasses,
    count_params,
    global_averages,
    unnormalised_convolutions,
)
from torchbudget.network.trace import build, trace
from utils import entry as declarations
from utils.table import BEGIN, END, make_row, readme_table

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()


def test_the_table_is_the_generated_one(zoo_file):
    rows = [
        make_row(entry, read_results(ROOT / "results.json"))
        for entry in load_zoo(zoo_file).values()
    ]
    assert BEGIN + README.split(BEGIN)[1].split(END)[0] + END == readme_table(rows)


def test_every_make_target_it_names_exists():
    named = set(re.findall(r"`?make ([a-z-]+)", README))
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert {"train", "test"} <= named and named <= targets


def test_every_gate_is_explained():
    section = README.split("## What the gates mean")[1].split("\n## ")[0]
    assert re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE) == list(GATES)


def test_the_example_is_five_lines_and_four_and_keeps_its_own_budget():
    network, row = re.findall(r"```python\n(.*?)```", README, re.DOTALL)[:2]
    assert (
        len([line for line in network.splitlines() if line]) <= 5
        and len(row.strip().splitlines()) <= 4
    )
    namespace = vars(model) | vars(declarations)
    exec(network, namespace)
    (entry,) = eval(f"({row.strip()})", namespace)
    made = build(entry.network)
    trained, evaluated = trace(made, MNIST.image, True), trace(made, MNIST.image, False)
    assert isinstance(entry.budget, Budget) and count_params(made) < entry.budget.max_params
    assert (
        unnormalised_convolutions(trained) == []
        and active_dropouts(trained)
        and not bypasses(evaluated, global_averages(evaluated))
    )
