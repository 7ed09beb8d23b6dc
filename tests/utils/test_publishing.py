"""What the zoo publishes of its record says what the record says, and is renewed with it."""

import csv
import hashlib
import json
import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import pytest
from huggingface_hub import ModelCard

from torchbudget.cli import check
from torchbudget.declare.zoofile import load_zoo
from torchbudget.evidence.results import evidence_of, read_results
from torchbudget.evidence.together import append_run
from utils.cards import make_card, make_cards
from utils.pictures import FOLDER, JUDGED, draw_leaderboard, draw_verdict
from utils.refresh import refresh
from utils.runs_csv import COLUMNS, make_csv

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "results.json"
WITHOUT_DATA = "params,structure,cost,seeds,epochs"


@pytest.fixture(scope="module")
def entries(zoo_file):
    return list(load_zoo(zoo_file).values())


@pytest.fixture(scope="module")
def recorded():
    return read_results(RESULTS)


# --- results.csv ----------------------------------------------------------------------------------


def test_the_table_for_programs_is_the_generated_one(entries, recorded):
    shown = (ROOT / "results.csv").read_text(encoding="utf-8")
    assert shown == make_csv(entries, recorded, ROOT / "weights"), "run: make readme"


def test_a_row_is_a_run_and_its_numbers_are_those_of_the_record_and_of_the_file(recorded):
    with open(ROOT / "results.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    runs = {(run.entry, str(run.seed)): run for run in recorded if not run.overrides}
    assert len(rows) == len(runs) > 24 and tuple(rows[0]) == COLUMNS
    for row in rows:
        run = runs[row["name"], row["seed"]]
        assert (int(row["misses"]), int(row["total"])) == (run.test.misses, run.test.total)
        assert float(row["top1"]) + float(row["top1_err"]) == pytest.approx(100)
        assert float(row["top1_err"]) == pytest.approx(
            100 * run.test.misses / run.test.total, abs=6e-4
        )
        assert row["taught_by"] == (run.teacher.entry if run.teacher else "")
        plain = run.test_without_views
        assert row["views"] == (str(len(run.views)) if run.views else "")
        assert row["misses_without_views"] == (str(plain.misses) if plain else "")
        files = [ROOT / name for name in row["weights"].split()]
        assert sum(path.stat().st_size for path in files) == int(row["bytes"])
        if len(files) == 1:
            assert hashlib.sha256(files[0].read_bytes()).hexdigest() == row["digest"]


# --- cards ----------------------------------------------------------------------------------------


def test_the_cards_are_the_generated_ones(entries, recorded):
    shown = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / "cards").iterdir()}
    assert shown == make_cards(entries, recorded), "run: make cards"


def test_a_cards_metadata_is_its_evidence_and_claims_no_verification(entries, recorded):
    for entry in entries:
        evidence = evidence_of(entry, recorded)
        if not evidence:
            continue
        metadata = ModelCard.load(ROOT / "cards" / f"{entry.name}.md").data
        assert (metadata.model_name, metadata.license) == (entry.name, "mit")
        assert [
            (result.metric_args["misses"], result.metric_args["total"], result.metric_value)
            for result in metadata.eval_results
        ] == [
            (run.test.misses, run.test.total, round(1 - run.test.misses / run.test.total, 6))
            for _, run in sorted(evidence.items())
        ]
        assert all(result.verified is None for result in metadata.eval_results)


def test_a_card_tells_the_views_and_the_misses_without_them(entries, recorded):
    viewed = [entry for entry in entries if entry.views and evidence_of(entry, recorded)]
    assert viewed
    for entry in viewed:
        card = (ROOT / "cards" / f"{entry.name}.md").read_text(encoding="utf-8")
        evidence = sorted(evidence_of(entry, recorded).items())
        plain = ", ".join(str(run.test_without_views.misses) for _, run in evidence)
        assert f"probabilities of {len(entry.views)} views" in card and f"misses {plain}," in card


@pytest.mark.parametrize("name", ["slim", "vgg_ensemble"])
def test_the_lines_of_a_card_load_the_network_with_its_weights(name, monkeypatch):
    monkeypatch.chdir(ROOT)
    card = (ROOT / "cards" / f"{name}.md").read_text(encoding="utf-8")
    (lines,) = re.findall(r"```python\n(.*?)```", card, re.DOTALL)
    names = {}
    exec(lines, names)
    network = names["network"]
    (params,) = re.findall(r"Size\*\*: ([\d,]+) parameters", card)
    count = sum(parameter.numel() for parameter in network.parameters())
    assert f"{count:,}" == params and not network.training


# --- pictures -------------------------------------------------------------------------------------


def lines_of(picture: str) -> list[str]:
    """The lines of text in a picture of a terminal."""
    lines = {}
    for element in ET.fromstring(picture).iter("{http://www.w3.org/2000/svg}text"):
        clip = element.get("clip-path") or ""
        if number := re.search(r"-line-(\d+)\)", clip):
            lines.setdefault(int(number[1]), []).append(element.text or "")
    return [re.sub(r"\s+", " ", " ".join(lines[number])).strip() for number in sorted(lines)]


def test_the_picture_of_the_table_is_the_generated_one(zoo_file):
    shown = (ROOT / FOLDER / "leaderboard.svg").read_text(encoding="utf-8")
    assert shown == draw_leaderboard(zoo_file, RESULTS), "run: make pictures"


def test_the_picture_of_a_verdict_shows_what_the_gates_say(capsys, recorded):
    """The gates that need no data judge again; the misses are those of the record."""
    shown = (ROOT / FOLDER / "verdict.svg").read_text(encoding="utf-8")
    words = [JUDGED, "--only", WITHOUT_DATA, "--json", "-"]
    assert check(words, default_zoo=ROOT / "zoo.py", prog="check.py") == 0
    document = capsys.readouterr().out
    *judged, _ = lines_of(draw_verdict(document))
    assert len(judged) > 10
    assert [line for line in judged if line not in lines_of(shown)] == [], "run: make pictures"
    (run,) = [run for run in recorded if run.stem == f"{JUDGED}-seed0"]
    accuracy = " ".join(lines_of(shown)).split(f"{JUDGED} accuracy ")[1]
    assert f"seed 0: {run.test.misses} of {run.test.total:,}" in accuracy
    assert lines_of(shown)[-1].endswith("exit code 0")


@pytest.mark.parametrize("name", ["leaderboard", "verdict"])
def test_a_picture_fetches_nothing(name):
    picture = (ROOT / FOLDER / f"{name}.svg").read_text(encoding="utf-8")
    assert not re.search(r"@font-face|@import|href|url\((?!#)", picture)


# --- renewing -------------------------------------------------------------------------------------

ZOO = """
from model import Slim
from torchbudget import Budget, Entry, data
from utils.recipe import SGD, Constant, Recipe
recipe = Recipe(
    epochs=2, batch_size=100, optimizer=SGD(), schedule=Constant(lr=0.05), amp="off", val_images=500
)
budget = Budget(max_params=20_000, max_epochs=3, max_misses=1_000)
ZOO = (Entry(name="small", network=Slim, data=data.MNIST_SAMPLE, recipe=recipe, budget=budget),)
"""


@pytest.fixture
def published(tmp_path, make_run, small_entry) -> Path:
    """A zoo with a run of seed 0, and what it publishes, all out of date."""
    (tmp_path / "zoo.py").write_text(ZOO, encoding="utf-8")
    append_run(tmp_path / "results.json", make_run(small_entry, 0))
    (tmp_path / "results.csv").write_text("", encoding="utf-8")
    (tmp_path / "cards").mkdir()
    (tmp_path / "cards/gone.md").write_text("an entry that is gone", encoding="utf-8")
    (tmp_path / FOLDER).mkdir(parents=True)
    (tmp_path / FOLDER / "leaderboard.svg").write_text("", encoding="utf-8")
    return tmp_path


def test_all_that_is_published_is_renewed_once(published, make_run, small_entry):
    files = ["results.csv", "cards/small.md", f"{FOLDER}/leaderboard.svg"]
    for seed in range(2):
        append_run(published / "results.json", make_run(small_entry, seed))
        written = refresh(published / "zoo.py", published / "results.json")
        expected = files if seed == 0 else files[:2]
        assert set(written) >= {published / name for name in expected}
        assert refresh(published / "zoo.py", published / "results.json") == []
    assert len((published / "results.csv").read_text().splitlines()) == 3
    assert "accuracy, seed 1" in (published / "cards/small.md").read_text()
    assert not (published / "cards/gone.md").exists()


def test_a_zoo_that_publishes_nothing_is_left_as_it_is(tmp_path, make_run, small_entry):
    (tmp_path / "zoo.py").write_text(ZOO, encoding="utf-8")
    append_run(tmp_path / "results.json", make_run(small_entry, 0))
    before = {path.name for path in tmp_path.iterdir()}
    assert refresh(tmp_path / "zoo.py", tmp_path / "results.json") == []
    assert {path.name for path in tmp_path.iterdir()} == before


def test_another_record_renews_nothing(published):
    elsewhere = published / "results" / "results.json"
    assert refresh(published / "zoo.py", elsewhere) == []
    assert (published / "results.csv").read_text() == ""


def test_an_entry_without_evidence_has_no_card(small_entry, make_run):
    run = make_run(small_entry, 0)
    other = replace(small_entry, name="untrained")
    assert list(make_cards([small_entry, other], [run])) == ["small.md"]
    assert json.dumps("verified") not in make_card(small_entry, [run])
