"""The README says what is so: its table, its commands, its example."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from readme_blocks import (
    PREPARE,
    copy_tree,
    paste_example,
    read_blocks,
    read_examples,
    run_block,
)

from torchbudget.declare.zoofile import load_zoo
from torchbudget.evidence.results import read_results
from torchbudget.gates import GATES
from utils.table import BEGIN, END, format_markdown_row, make_row

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()


def test_every_row_of_the_table_is_the_generated_one(zoo_file):
    """A new entry may lack its row until it is trained; what is in the table is true."""
    runs = read_results(ROOT / "results.json")
    rows = [format_markdown_row(make_row(entry, runs)) for entry in load_zoo(zoo_file).values()]
    shown = re.findall(r"^\| `.*", README.split(BEGIN)[1].split(END)[0], re.MULTILINE)
    assert shown
    assert [row for row in shown if row not in rows] == [], "run: make readme"


def test_every_shell_block_is_run_by_somebody():
    blocks = read_blocks(README)
    assert len(blocks) == README.count("```bash")
    assert {block.runner for block in blocks} == {"suite", "ci", "stories"}
    assert {block.needs for block in blocks} == set(PREPARE)
    assert "tests/readme_blocks.py ci" in (ROOT / ".ci/run").read_text()


@pytest.mark.parametrize("block", [each for each in read_blocks(README) if each.runner == "suite"])
def test_a_block_runs_as_written_in_a_fresh_clone(block):
    run_block(block)


def test_what_the_readme_links_is_there():
    links = re.findall(r"\]\(([^)#]+)\)", README)
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_every_make_target_it_names_exists():
    named = set(re.findall(r"`?make ([a-z-]+)", README))
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert {"train", "test"} <= named and named <= targets


def test_every_gate_is_explained():
    section = README.split("## What the gates mean")[1].split("\n## ")[0]
    assert re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE) == list(GATES)


def test_the_example_is_formatted_and_keeps_the_budget_that_needs_no_training(tmp_path):
    copy_tree(tmp_path)
    paste_example(tmp_path)
    make = ["make", f"PYTHON={sys.executable}"]
    ruff = [sys.executable, "-m", "ruff"]
    commands = (
        [*make, "format"],
        [*ruff, "check", "."],
        [*ruff, "format", "--check", "."],
        [*make, "check-model", "ENTRY=mine"],
    )
    for command in commands:
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
    changed = subprocess.run(["git", "diff"], cwd=tmp_path, capture_output=True, text=True).stdout
    network, _, entry = read_examples(README)[:3]
    for line in (network + entry).splitlines():
        assert f"+{line}" in changed.splitlines()
