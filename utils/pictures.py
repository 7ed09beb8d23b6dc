"""The README's pictures: two of the terminal, drawn by rich as SVG, and one of the frontier.

`python -m utils.pictures` (make pictures) draws the zoo's table, the verdict of every gate on an
entry, which it has check.py judge, and misses against parameters beside the public figures.
"""

if __name__ == "__main__":
    from torchbudget.command import end_on_interrupt

    end_on_interrupt("pictures")

import io
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.text import Text

from torchbudget.command import Parser, run_main
from torchbudget.errors import TorchBudgetError
from torchbudget.evidence.files import write_atomically
from torchbudget.report.terminal import print_verdicts
from torchbudget.report.verdict import Origin, Status, Verdict
from utils.frontier import plot_frontier
from utils.pages.published import read_published
from utils.plots import save_figure
from utils.table import make_rows, print_zoo

ROOT = Path(__file__).resolve().parent.parent
FOLDER = Path("docs/assets/pictures")
JUDGED = "net3"
"""The entry whose verdict is shown."""
FRAME = re.sub(r"@font-face \{\{.*?\}\}", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
"""rich's frame of a terminal, without the fonts that it fetches from elsewhere."""


class JudgingError(TorchBudgetError):
    """The entry whose verdict is to be shown was not judged."""


def draw(title: str, name: str, show: Callable[[Console], None]) -> str:
    """What `show` prints on a terminal of 80 columns, as SVG; `name` is unique on a page."""
    terminal = Console(
        file=io.StringIO(),
        width=80,
        force_terminal=True,
        color_system="truecolor",
        legacy_windows=False,
        markup=False,
    )
    show(terminal)
    recorder = Console(file=io.StringIO(), width=80, record=True, legacy_windows=False)
    recorder.print(Text.from_ansi(terminal.file.getvalue().rstrip("\n")))
    picture = recorder.export_svg(title=title, code_format=FRAME, unique_id=name)
    return "\n".join(line.rstrip() for line in picture.splitlines()) + "\n"


def draw_leaderboard(zoo_file: Path, results: Path) -> str:
    """The zoo's table, of the entries that have evidence."""
    rows = [row for row in make_rows(zoo_file, results) if row.misses]
    return draw("make view-results", "leaderboard", lambda console: print_zoo(rows, console))


def draw_verdict(document: str) -> str:
    """The verdicts on `JUDGED`, from what check.py wrote as JSON."""
    verdicts = [
        Verdict(
            **verdict
            | {
                "status": Status(verdict["status"]),
                "details": tuple(verdict["details"]),
                "origin": verdict["origin"] and Origin(verdict["origin"]),
            }
        )
        for verdict in json.loads(document)["verdicts"]
    ]
    title = f"make check ENTRY={JUDGED}"
    return draw(title, "verdict", lambda console: print_verdicts(verdicts, console))


def judge(zoo_file: Path) -> str:
    """What check.py writes of `JUDGED` as JSON; raises `JudgingError` where a gate did not pass."""
    command = [sys.executable, ROOT / "check.py", JUDGED, "--zoo", zoo_file, "--json", "-"]
    done = subprocess.run(command, capture_output=True, encoding="utf-8")
    if done.returncode:
        raise JudgingError(
            f"check.py {JUDGED} ended with exit code {done.returncode}; run it to see why"
        )
    return done.stdout


def write(argv: list[str] | None) -> None:
    parser = Parser(prog="python -m utils.pictures", description="Draw the README's pictures.")
    parser.add_argument("--zoo", type=Path, default=ROOT / "zoo.py")
    zoo_file = parser.parse_args(argv).zoo
    folder = zoo_file.parent / FOLDER
    pictures = {
        "leaderboard": draw_leaderboard(zoo_file, zoo_file.parent / "results.json"),
        "verdict": draw_verdict(judge(zoo_file)),
    }
    for name, picture in pictures.items():
        write_atomically(folder / f"{name}.svg", picture)
        print(folder / f"{name}.svg")
    rows = make_rows(zoo_file, zoo_file.parent / "results.json")
    public = read_published(zoo_file.parent / "docs" / "references.md")
    for path in (folder / "frontier.png", zoo_file.parent / "bench" / "frontier.png"):
        save_figure(plot_frontier(rows, public), path)
        print(path)


def main(argv: list[str] | None = None) -> int:
    """Draw them; the exit code."""
    return run_main(lambda: write(argv), "pictures")


if __name__ == "__main__":
    sys.exit(main())
