"""README and docs say what is so: the table, the commands, the links, the examples."""

import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from readme_blocks import (
    PREPARE,
    copy_tree,
    paste_example,
    read_blocks,
    read_examples,
    read_pages,
    run_block,
)

from torchbudget.declare.zoofile import load_zoo
from torchbudget.evidence.results import read_results
from torchbudget.gates import GATES
from utils.table import BEGIN, END, format_markdown_row, list_headings, make_row

ROOT = Path(__file__).resolve().parent.parent
PAGES = read_pages()
README = PAGES["README.md"]
TEXT = "\n".join(PAGES.values())
LINK = re.compile(r"(?:\]\(|src=\")([^)\s\"]+)[)\"]")
BLOCKS = read_blocks(PAGES)
BUILT = ("docs/entries", "docs/reference", "docs/assets/networks")


def test_every_row_of_the_table_is_the_generated_one(zoo_file):
    """A new entry may lack its row until it is trained; what is in the table is true."""
    runs = read_results(ROOT / "results.json")
    zoo = [make_row(entry, runs) for entry in load_zoo(zoo_file).values()]
    rows = [format_markdown_row(row, list_headings(zoo)) for row in zoo]
    shown = re.findall(r"^\| `.*", README.split(BEGIN)[1].split(END)[0], re.MULTILINE)
    assert shown
    assert [row for row in shown if row not in rows] == [], "run: make readme"


def test_every_shell_block_is_run_by_somebody_or_says_why_not():
    assert len(BLOCKS) == TEXT.count("```bash")
    assert {block.page for block in BLOCKS if not block.runner and not block.excuse} == set()
    assert {block.runner for block in BLOCKS if not block.excuse} == {"suite", "ci", "stories"}
    assert {block.needs for block in BLOCKS} == set(PREPARE)
    assert "tests/readme_blocks.py ci" in (ROOT / ".ci/run").read_text(encoding="utf-8")


def test_every_example_has_a_name():
    assert len(read_examples(PAGES)) == TEXT.count("```python")


@pytest.mark.parametrize("block", [block for block in BLOCKS if block.runner == "suite"])
def test_a_block_runs_as_written_in_a_fresh_clone(block):
    run_block(block)


def anchors(page: str) -> set[str]:
    """The anchors of a page's headings, as GitHub and MkDocs make them."""
    headings = re.findall(r"^#+ (.+)$", re.sub(r"```.*?```", "", page, flags=re.DOTALL), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("name", PAGES)
def is_lost(page: str, link: str) -> bool:
    """Whether `link` on `page` leads nowhere, or has no address's form.

    What `make site` builds is followed by its strict build.
    """
    if "://" in link:
        address = urlsplit(link)
        return address.scheme != "https" or "." not in (address.hostname or "")
    path, _, anchor = link.partition("#")
    target = ((ROOT / page).parent / path).resolve() if path else ROOT / page
    if any(target.is_relative_to(ROOT / folder) for folder in BUILT):
        return False
    if not target.exists():
        return True
    return bool(anchor) and anchor not in anchors(target.read_text(encoding="utf-8"))


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_somewhere(page):
    assert [link for link in LINK.findall(PAGES[page]) if is_lost(page, link)] == []


def test_a_link_to_no_file_no_heading_or_no_address_is_lost():
    lost = ("docs/none.md", "docs/limits.md#none", "#none", "http://example.org", "https://example")
    assert all(is_lost("README.md", link) for link in lost)
    assert not is_lost("docs/tutorials/student.md", "../limits.md#what-is-claimed")


def test_the_readme_links_the_tutorials_and_the_guides():
    linked = {link.partition("#")[0] for link in LINK.findall(README)}
    guides = {"adding", "training", "limits", "references", "how-a-number-becomes-true"}
    guides |= {f"tutorials/{name}" for name in ("student", "team", "kaggle")}
    assert {f"docs/{name}.md" for name in guides} <= linked & set(PAGES)


def test_the_readme_is_short():
    """But for the table: a screen of 60 lines."""
    table = README.split(BEGIN)[1].split(END)[0]
    assert len(README.splitlines()) - len(table.splitlines()) <= 60


def test_every_make_target_they_name_exists():
    named = set(re.findall(r"(?:^ *|`)make ([a-z-]+)", TEXT, re.MULTILINE))
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    assert {"train", "test"} <= named and named <= targets


def test_every_gate_is_explained():
    page = PAGES["docs/how-a-number-becomes-true.md"]
    section = page.split("## What the gates mean")[1].split("\n## ")[0]
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
    examples = read_examples(PAGES)
    for line in (examples["network"] + examples["entry"]).splitlines():
        assert f"+{line}" in changed.splitlines()
