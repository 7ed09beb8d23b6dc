"""What the zoo publishes of its record, brought up to date after a run was recorded.

That is the table in README.md, `results.csv`, the model cards and the picture of the table. Only
what stands beside the zoo file already is renewed: a zoo of somebody's own has none of it.
"""

from pathlib import Path

from torchbudget.declare.zoofile import load_zoo
from torchbudget.evidence.files import write_atomically
from torchbudget.evidence.results import read_results
from utils import cards, pictures
from utils.runs_csv import make_csv
from utils.table import refresh_readme


def refresh(zoo_file: Path, results: Path) -> list[Path]:
    """Renew what is published beside a zoo file; the files that changed.

    Nothing happens where the record is not this zoo's own. The picture of the verdict is left to
    `make pictures`, which judges.
    """
    folder = zoo_file.parent
    if results.resolve() != (folder / "results.json").resolve():
        return []
    readme = refresh_readme(zoo_file, results)
    changed = [readme] if readme else []
    table = folder / "results.csv"
    picture = folder / pictures.FOLDER / "leaderboard.svg"
    if table.is_file() or (folder / cards.FOLDER).is_dir():
        entries = list(load_zoo(zoo_file, served=("utils",)).values())
        runs = read_results(results)
        if table.is_file():
            changed += renew(table, make_csv(entries, runs, folder / "weights"))
        if (folder / cards.FOLDER).is_dir():
            changed += cards.write_cards(folder / cards.FOLDER, cards.make_cards(entries, runs))
    if picture.is_file():
        changed += renew(picture, pictures.draw_leaderboard(zoo_file, results))
    return changed


def renew(path: Path, content: str) -> list[Path]:
    """Write `content` if it differs from what is there; the file if so."""
    if path.read_text(encoding="utf-8") == content:
        return []
    write_atomically(path, content)
    return [path]
