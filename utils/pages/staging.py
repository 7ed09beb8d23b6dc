"""All sources of the site in one folder: the prose of `docs/`, and what is generated."""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from torchbudget.errors import UsageError
from torchbudget.gates import GATES
from utils.pages.compare import list_misses
from utils.pages.digits import Sheet, make_sheets
from utils.pages.entries import write_entry
from utils.pages.facts import Facts, collect
from utils.pages.leaderboard import draw_leaderboard, put_leaderboard
from utils.pages.published import read_published
from utils.pages.reference import write_api, write_gates


def stage(
    root: Path, target: Path, *, report: Path | None = None, judged: Sequence[str] | None = None
) -> list[Facts]:
    """Write every source of the site below `target`; returns what the pages say of each entry.

    `root` holds `docs/`, the zoo file, its record and weights. `report` and `judged` are as in
    `collect`. Raises a `TorchBudgetError`.
    """
    shutil.copytree(root / "docs", target, dirs_exist_ok=True)
    zoo_file = root / "zoo.py"
    facts = collect(zoo_file, report=report, judged=judged, gates=list(GATES))
    sheets = make_sheets(facts, zoo_file, target)
    published = read_published(root / "docs" / "references.md")
    write(target / "assets/digits/misses.json", list_misses(facts, sheets))
    home = target / "index.md"
    board = draw_leaderboard(facts, published, reported=report is not None)
    try:
        write(home, put_leaderboard(home.read_text(encoding="utf-8"), board))
    except ValueError as error:
        raise UsageError(str(error)) from error
    write_entries(facts, sheets, target, cards=root / "cards")
    write(target / "reference/gates.md", write_gates())
    write(target / "reference/api.md", write_api())
    return facts


def write_entries(
    facts: Sequence[Facts], sheets: Mapping[str, Sheet], target: Path, *, cards: Path
) -> None:
    """A page for each entry, with its model card where the folder `cards` has one."""
    names = [one.name for one in facts]
    for position, one in enumerate(facts):
        onnx = f"assets/networks/{one.name}.onnx"
        page = write_entry(
            one,
            sheets[one.entry.dataset],
            card=read_card(cards / f"{one.name}.md"),
            onnx=onnx if (target / onnx).is_file() else "",
            neighbours=[
                *names[max(position - 1, 0) : position],
                *names[position + 1 : position + 2],
            ],
        )
        write(target / f"entries/{one.name}.md", page)


def read_card(path: Path) -> str:
    """The text of a model card as a section of a page.

    Its metadata and its title are left out, and its headings are a level lower; "" without a file.
    """
    if not path.is_file():
        return ""
    text = path.read_text(encoding="utf-8")
    if text.startswith("---\n"):
        text = text.partition("\n---\n")[2]
    lines = []
    in_code = False
    for line in text.splitlines():
        in_code ^= line.startswith("```")
        is_heading = line.startswith("#") and not in_code
        if not (is_heading and line.startswith("# ")):
            lines.append(f"#{line}" if is_heading else line)
    return "\n".join(lines).strip()


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
