"""The site as it is built: its figures are the record's, its links lead somewhere, it is whole."""

import html.parser
import json
import re
import shutil
import statistics
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urldefrag, urlsplit

import pytest
from filelock import FileLock

from torchbudget.declare.entry import Entry
from torchbudget.declare.zoofile import load_zoo
from torchbudget.errors import UsageError
from utils.pages.__main__ import make_site
from utils.pages.charts import AXES
from utils.pages.facts import JUDGED_HERE
from utils.pages.published import read_published
from utils.pages.staging import stage

ROOT = Path(__file__).resolve().parent.parent.parent.parent
JUDGED = ("slim", "vgg_ensemble")
"""A network, and several that vote: all entries would take too long."""
LOADED = {"script": "src", "img": "src", "link": "href", "source": "src", "iframe": "src"}
"""What a browser fetches without being asked, by element."""


@dataclass(frozen=True)
class Site:
    """The built site, the zoo that it is of, and the gates whose verdicts each entry's page has."""

    folder: Path
    zoo: dict[str, Entry]
    judged: dict[str, list[str]]


class Page(html.parser.HTMLParser):
    """The links, the ids, what is loaded, and the cells of the leaderboard of a page."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.points: list[str] = []
        self.rows: dict[str, dict[str, str]] = {}
        self._row: dict[str, str] = {}
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attributes}
        self.ids |= {values[name] for name in ("id", "name") if name in values}
        if tag == "a" and "href" in values:
            self.links.append(values["href"])
        if values.get(LOADED.get(tag, "")):
            self.loaded.append(values[LOADED[tag]])
        self.loaded += re.findall(r"url\(['\"]?([^)'\"]+)", values.get("style", ""))
        if "data-point" in values:
            self.points.append(values["data-point"])
        if tag == "tr" and "data-entry" in values:
            self._row = self.rows[values["data-entry"]] = {}
        if tag in ("td", "th") and "data-value" in values:
            self._row[values["data-key"]] = values["data-value"]


@pytest.fixture(scope="session")
def site(tmp_path_factory, worker_id) -> Site:
    """Built once, also where several processes run the tests."""
    shared = tmp_path_factory.getbasetemp()
    folder = (shared if worker_id == "master" else shared.parent) / "whole-site"
    done = folder / "judged.json"
    with FileLock(f"{folder}.lock"):
        if not done.is_file():
            build(folder, done)
    judged = json.loads(done.read_text(encoding="utf-8"))
    return Site(folder / "site", load_zoo(ROOT / "zoo.py", served=("utils",)), judged)


def build(folder: Path, done: Path) -> None:
    facts = stage(ROOT, folder / "build" / "pages", judged=JUDGED)
    shutil.copy(ROOT / "mkdocs.yml", folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(ROOT))  # mkdocstrings looks for torchbudget there
        make_site(folder / "mkdocs.yml")
    judged = {one.name: [verdict.gate for verdict in one.verdicts] for one in facts}
    done.write_text(json.dumps(judged), encoding="utf-8")


@pytest.fixture(scope="session")
def pages(site) -> dict[Path, Page]:
    return {path: Page(path) for path in sorted(site.folder.rglob("*.html"))}


@pytest.fixture(scope="session")
def home(site, pages) -> Page:
    return pages[site.folder / "index.html"]


@pytest.fixture(scope="session")
def record() -> list[dict]:
    return json.loads((ROOT / "results.json").read_text(encoding="utf-8"))["runs"]


def test_the_leaderboard_says_what_the_record_says(site, home, record):
    assert list(home.rows) == list(site.zoo)
    for name, shown in home.rows.items():
        runs = [run for run in record if run["entry"] == name and not run["overrides"]]
        misses = [run["test"]["misses"] for run in runs]
        seconds = [run["train_seconds"] for run in runs if run["train_seconds"] is not None]
        assert shown["dataset"] == runs[0]["dataset"]
        assert int(shown["parameters"]) == runs[0]["params"]
        assert int(shown["multiply-adds"]) == runs[0]["multiply_adds"]
        assert int(shown["worst"]) == max(misses)
        assert float(shown["mean"]) == statistics.mean(misses)
        assert int(shown["total"]) == runs[0]["test"]["total"]
        assert int(shown["seeds"]) == len(runs)
        assert float(shown["seconds"]) == statistics.median(seconds)


def test_bytes_are_those_of_the_weights_files(site, home):
    weights = ROOT / "weights" / "slim-seed0.safetensors"
    assert int(home.rows["slim"]["bytes"]) == weights.stat().st_size
    members = [
        ROOT / "weights" / f"{member.name}-seed{seed}.safetensors"
        for member, seed in site.zoo["vgg_ensemble"].member_runs
    ]
    assert int(home.rows["vgg_ensemble"]["bytes"]) == sum(path.stat().st_size for path in members)


def test_a_verdict_is_of_the_gates_judged_now_and_of_no_others(site, home):
    for name, gates in site.judged.items():
        assert gates == (list(JUDGED_HERE) if name in JUDGED else [])
        expected = f"{len(JUDGED_HERE)} pass" if name in JUDGED else "not judged"
        assert home.rows[name]["verdict"] == expected
    page = (site.folder / "entries/slim/index.html").read_text(encoding="utf-8")
    _, _, unjudged = page.partition("Not judged for this page")
    for gate in ("accuracy", "claim", "chain", "leak"):
        assert f"<code>{gate}</code>" in unjudged.partition("</p>")[0]


def test_every_entry_has_a_page_that_shows_what_it_misses(site, record):
    for name in site.zoo:
        text = (site.folder / "entries" / name / "index.html").read_text(encoding="utf-8")
        shown = {int(index) for index in re.findall(r'class="index">#(\d+)<', text)}
        runs = [run for run in record if run["entry"] == name]
        assert shown == {int(index) for run in runs for index in run["missed"]}
        assert f"<title>{name} - Digit Zoo</title>" in text
        teachers = {run["teacher"]["entry"] for run in runs if run.get("teacher")}
        assert ("Taught by" in text) == bool(teachers)
        for teacher in teachers:
            assert f'Taught by <a href="../{teacher}/">{teacher}</a>' in text


def test_what_the_comparison_reads_is_the_record(site, record):
    misses = json.loads((site.folder / "assets/digits/misses.json").read_text(encoding="utf-8"))
    assert len(misses["runs"]) == len(record)
    for run in record:
        told = misses["runs"][f"{run['entry']}:{run['seed']}"]
        assert told["missed"] == run["missed"]
        assert {int(index) for index in told["missed"]} <= set(
            misses["datasets"][run["dataset"]]["indices"]
        )


def test_a_chart_has_a_point_for_each_entry_of_its_data_set(site, home):
    """A data set with one entry has no chart: there is nothing to compare it with."""
    published = read_published(ROOT / "docs" / "references.md")
    for dataset in {entry.dataset for entry in site.zoo.values()}:
        names = {name for name, entry in site.zoo.items() if entry.dataset == dataset}
        for axis in AXES:
            drawn = [point for point in home.points if point.startswith(f"{dataset}-{axis.name}-")]
            if len(names) == 1:
                assert drawn == []
                continue
            public = [point for point in drawn if "-public-" in point]
            assert {point.removeprefix(f"{dataset}-{axis.name}-") for point in drawn} == names | {
                point.removeprefix(f"{dataset}-{axis.name}-") for point in public
            }
            told = [figure for figure in published if axis.of_figure(figure)]
            assert len(public) == (len(told) if dataset == "mnist" else 0)


def test_every_link_within_the_site_leads_somewhere(site, pages):
    wrong = []
    followed = 0
    for path, page in pages.items():
        for link in {*page.links, *page.loaded}:
            address, fragment = urldefrag(link)
            if urlsplit(link).scheme or path.name == "404.html":
                continue
            target = (path.parent / unquote(address)).resolve() if address else path
            target = target / "index.html" if target.is_dir() else target
            followed += 1
            in_page = target in pages and target.parent.name != "compare"  # its hash is a choice
            if not target.is_file() or (
                in_page and fragment and unquote(fragment) not in pages[target].ids
            ):
                wrong.append((str(path.relative_to(site.folder)), link))
    assert followed > 1000
    assert wrong == []


def test_nothing_is_fetched_from_elsewhere(site, pages):
    loaded = [(path, link) for path, page in pages.items() for link in page.loaded]
    for path in site.folder.rglob("*.css"):
        text = path.read_text(encoding="utf-8")
        loaded += [(path, link) for link in re.findall(r"(?:url\(|@import )['\"]?([^)'\"]+)", text)]
    assert len(loaded) > 200
    foreign = [place for place in loaded if re.match(r"(?:https?:)?//", place[1])]
    assert foreign == []


def test_the_gates_and_the_api_are_all_there(site, pages):
    from torchbudget import __all__ as names
    from torchbudget.gates import GATES

    gates = pages[site.folder / "reference/gates/index.html"]
    assert set(GATES) <= gates.ids
    api = pages[site.folder / "reference/api/index.html"]
    classes = set(names) - {"__version__", "data"}
    assert classes <= {name.rpartition(".")[2] for name in api.ids}


def test_a_link_that_leads_nowhere_ends_the_build(tmp_path, capsys):
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/index.md").write_text("[gone](gone.md)\n", encoding="utf-8")
    config = tmp_path / "mkdocs.yml"
    config.write_text("site_name: broken\nnav: [index.md]\n", encoding="utf-8")
    with pytest.raises(UsageError, match=r"mkdocs\.yml"):
        make_site(config)
    said = capsys.readouterr().err
    assert "page does not exist" in said and "Traceback" not in said and "\x1b" not in said
