"""What pages are made of: reports that fit the record, public figures, missing data, cards."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import yaml
from PIL import Image

from torchbudget.data.images import Images, ImageSpec
from torchbudget.data.spec import DataSpec
from torchbudget.errors import DataError, UsageError
from torchbudget.evidence.results import read_results
from torchbudget.report.verdict import Status, Verdict
from utils.pages.compare import list_misses
from utils.pages.digits import COLUMNS, draw_sheet, make_sheets
from utils.pages.entries import write_entry
from utils.pages.facts import Facts, read_report
from utils.pages.leaderboard import MARK, put_leaderboard
from utils.pages.published import HEADING, read_published
from utils.pages.staging import read_card
from utils.table import make_row

ROOT = Path(__file__).resolve().parent.parent.parent.parent


@pytest.fixture
def facts(make_run, small_entry) -> Facts:
    """An entry of two runs, whose images are not here."""

    def load(place: object) -> object:
        raise DataError("the images are elsewhere")

    data = DataSpec(name=small_entry.dataset, load=load, image=small_entry.data.image)
    entry = replace(small_entry, data=data, budget=replace(small_entry.budget, seeds=2))
    runs = [make_run(small_entry, seed) for seed in (0, 1)]
    return Facts(entry=entry, row=make_row(entry, runs), runs=runs, weight_bytes=None)


def make_verdict(gate: str, status: Status) -> Verdict:
    return Verdict(gate=gate, status=status, observed="so", expected="so")


def write_report(path: Path, entry: str, misses: int) -> Path:
    verdict = {"gate": "accuracy", "status": "pass", "observed": "a", "expected": "b"}
    figures = [{"entry": entry, "misses": {"0": misses}, "params": 1}]
    path.write_text(
        json.dumps(
            {
                "schema": 2,
                "exit_code": 1,
                "verdicts": [verdict | {"entry": entry}],
                "figures": figures,
            }
        ),
        encoding="utf-8",
    )
    return path


def test_a_report_of_the_recorded_misses_gives_its_verdicts(tmp_path):
    runs = read_results(ROOT / "results.json")
    report = write_report(tmp_path / "report.json", runs[0].entry, runs[0].test.misses)
    (verdict,) = read_report(report, runs)
    assert (verdict.gate, verdict.status) == ("accuracy", Status.PASS)


def test_a_report_of_other_misses_is_refused(tmp_path):
    runs = read_results(ROOT / "results.json")
    report = write_report(tmp_path / "report.json", runs[0].entry, runs[0].test.misses + 1)
    with pytest.raises(UsageError, match="not what is recorded"):
        read_report(report, runs)


@pytest.mark.parametrize("content", ["", "{}", "[1]", '{"verdicts": [{}], "figures": []}'])
def test_what_is_no_report_is_refused(content, tmp_path):
    path = tmp_path / "report.json"
    path.write_text(content)
    with pytest.raises(UsageError, match=r"report\.json"):
        read_report(path, [])


@pytest.mark.parametrize("status", [Status.FAIL, Status.ERROR, Status.NOT_RUN, Status.WAIVED])
def test_a_shortfall_is_never_summed_up_as_a_pass(status, facts):
    verdicts = [make_verdict("params", Status.PASS), make_verdict("cost", status)]
    summary = replace(facts, verdicts=verdicts).verdict
    assert "pass" not in summary
    assert summary.startswith(status.replace("_", " "))


def test_nothing_judged_is_no_pass(facts):
    assert facts.verdict == "not judged"
    waiting = [make_verdict("epochs", Status.NOT_APPLICABLE)]
    assert replace(facts, verdicts=waiting).verdict == "not judged"


def test_images_missed_by_all_seeds_are_those_in_every_record(facts):
    first, second = (set(map(int, run.missed)) for run in facts.runs)
    assert set(facts.missed_by_all) == first & second
    assert set(facts.missed_by) == first | second
    counts = [len(predictions) for predictions in facts.missed_by.values()]
    assert counts == sorted(counts, reverse=True)


def test_without_the_images_a_page_says_why_and_lists_them_all_the_same(facts, tmp_path):
    sheets = make_sheets([facts], tmp_path / "zoo.py", tmp_path)
    page = write_entry(facts, sheets[facts.entry.dataset])
    assert "the images are elsewhere" in page and "background-image" not in page
    assert page.count('class="index"') == len(facts.missed_by)
    told = json.loads(list_misses([facts], sheets))["datasets"][facts.entry.dataset]
    assert told["picture"] is None and told["labels"] is None


@pytest.mark.parametrize("channels", [1, 3])
def test_an_image_stands_in_the_sheet_where_it_is_looked_for(channels, tmp_path):
    count, height, width = COLUMNS + 3, 4, 5
    pixels = torch.randint(0, 256, (count, channels, height, width), dtype=torch.uint8)
    spec = ImageSpec((channels, height, width), 10)
    path = tmp_path / "sheet.png"
    path.write_bytes(draw_sheet(Images(pixels, torch.zeros(count, dtype=torch.long), spec)))
    sheet = Image.open(path)
    assert sheet.size == (COLUMNS * width, 2 * height)
    for index in (0, COLUMNS - 1, COLUMNS, count - 1):
        row, column = divmod(index, COLUMNS)
        box = (column * width, row * height, (column + 1) * width, (row + 1) * height)
        values = torch.tensor(list(sheet.crop(box).tobytes())).view(height, width, channels)
        assert torch.equal(values.permute(2, 0, 1), pixels[index].long())


def test_each_public_figure_is_read_with_its_protocol():
    table = (ROOT / "docs/references.md").read_text(encoding="utf-8").partition(HEADING)[2]
    rows = [line for line in table.split("\n\n")[0].splitlines()[2:] if "| Kaggle |" not in line]
    figures = read_published(ROOT / "docs/references.md")
    assert len(figures) == len(rows) > 5
    for figure, row in zip(figures, rows, strict=True):
        assert figure.where in row and figure.protocol in row
        assert 0 < figure.misses < 1000
    assert any(figure.params for figure in figures) and any(figure.seconds for figure in figures)


def test_references_without_the_table_are_refused(tmp_path):
    path = tmp_path / "references.md"
    path.write_text("# The references\n")
    with pytest.raises(UsageError, match=r"lacks the table"):
        read_published(path)


@pytest.mark.parametrize("page", ["# Zoo\n", f"{MARK}\n{MARK}\n"])
def test_a_home_page_must_say_once_where_the_leaderboard_goes(page):
    with pytest.raises(ValueError, match="once"):
        put_leaderboard(page, "the table")


def test_a_model_card_becomes_a_part_of_the_page(tmp_path):
    card = tmp_path / "slim.md"
    code = "```python\n# a comment\n```"
    card.write_text(f"---\nlicense: mit\n---\n\n# slim\n\nText.\n\n## Limits\n\n{code}\n")
    assert read_card(card) == f"Text.\n\n### Limits\n\n{code}"
    assert read_card(tmp_path / "none.md") == ""


def test_the_pages_workflow_runs_targets_only_and_may_write_pages_only():
    workflow = yaml.safe_load((ROOT / ".github/workflows/pages.yml").read_text(encoding="utf-8"))
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    steps = [step for job in workflow["jobs"].values() for step in job["steps"]]
    targets = [step["run"].split()[1] for step in steps if "run" in step]
    assert targets == ["check", "site"]
    assert all(f"\n{target}:" in makefile for target in targets)
    assert workflow["permissions"] == {"contents": "read"}
    assert "permissions" not in workflow["jobs"]["build"]
    assert workflow["jobs"]["deploy"]["permissions"] == {"pages": "write", "id-token": "write"}
