"""`--since` says what a whole check says, measures what changed, and takes nothing from nowhere."""

import json
import re
import shutil
import subprocess
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest
import torch

from torchbudget import cli
from torchbudget.declare.zoofile import load_zoo
from torchbudget.evidence.record import record_ensemble, record_run
from torchbudget.evidence.results import read_results

NETS = """
from torch import nn


class Net(nn.Sequential):
    def __init__(self, width=3):
        super().__init__(nn.Conv2d(1, width, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
                         nn.Linear(width, 2))


class Wide(Net):
    def __init__(self):
        super().__init__(5)


class Small(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Flatten(), nn.Linear(16, 2))
"""
ZOO = """
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from nets import Net, Small, Wide
from torchbudget import Budget, Ensemble, Entry, Member, data

ROOMY = Budget(max_params=39, max_misses=99)
SHAPES, SQUARES = data.npz("shapes.npz"), data.npz("squares.npz")
ONE = Entry(name="one", network=Net, data=SHAPES, budget=ROOMY)
TWO = Entry(name="two", network=Wide, data=SHAPES, budget=ROOMY)
ZOO = (
    ONE,
    TWO,
    Entry(name="squares", network=Small, data=SQUARES,
          budget=Budget(max_params=99, max_misses=99)),
    Ensemble(name="both", members=(Member(entry=ONE), Member(entry=TWO)),
             budget=Budget(max_misses=99)),
)
"""
ALL = {"one", "two", "squares", "both"}


def git(folder: Path, *words: str) -> str:
    command = ["git", "-c", "user.name=a", "-c", "user.email=a@b", *words]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout


def commit(folder: Path) -> None:
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "as it is")


def write_images(path: Path, light: int) -> None:
    labels = np.arange(60) % 2
    images = np.random.default_rng(0).integers(0, 90, (60, 4, 4)).astype(np.uint8)
    images[labels == 1] += light
    parts = {"x_train": images[:40], "y_train": labels[:40]}
    parts |= {"x_test": images[40:], "y_test": labels[40:]}
    np.savez(path, **parts)


def record(folder: Path, name: str, seed: int = 0) -> None:
    """A run of an entry's first weights."""
    zoo = load_zoo(folder / "zoo.py")
    entry = zoo[name]
    if name == "both":
        runs = {run.entry: run for run in read_results(folder / "results.json")}
        record_ensemble(entry, [runs["one"], runs["two"]], folder=folder)
        return
    torch.manual_seed(seed)
    record_run(entry, 0, entry.network(), folder=folder)


@pytest.fixture(scope="module")
def original(tmp_path_factory) -> Path:
    """A zoo in git, and in `verdicts.json` beside its folder what a check of its commit said.

    "two" fails: it has more parameters than its budget allows.
    """
    folder = tmp_path_factory.mktemp("since") / "zoo"
    folder.mkdir()
    (folder / "zoo.py").write_text(ZOO, encoding="utf-8")
    (folder / "nets.py").write_text(NETS, encoding="utf-8")
    (folder / ".gitignore").write_text("__pycache__\n*.lock\n", encoding="utf-8")
    write_images(folder / "shapes.npz", 80)
    write_images(folder / "squares.npz", 100)
    for name in ("one", "two", "squares", "both"):
        record(folder, name)
    git(folder, "init", "--quiet")
    commit(folder)
    code, verdicts = check(folder, folder.parent / "verdicts.json")
    assert code == 1 and {verdict["entry"] for verdict in verdicts} == ALL
    return folder


@pytest.fixture
def zoo(original, tmp_path) -> Path:
    shutil.copytree(original.parent, tmp_path / "copy")
    return tmp_path / "copy" / "zoo"


def check(folder: Path, out: Path, *words: str) -> tuple[int, list[dict]]:
    code = cli.check(["--zoo", str(folder / "zoo.py"), "--json", str(out), *words])
    return code, json.loads(out.read_text(encoding="utf-8"))["verdicts"]


def check_since(folder: Path, *words: str, ref: str = "HEAD") -> tuple[int, list[dict]]:
    since = ["--since", ref, "--verdicts", str(folder.parent / "verdicts.json")]
    return check(folder, folder.parent / "now.json", *since, *words)


def measured(verdicts: list[dict]) -> set[str]:
    gates = [verdict for verdict in verdicts if verdict["gate"] != "waivers"]
    return {verdict["entry"] for verdict in gates if not verdict["since"]}


def strip(verdicts: list[dict]) -> list[str]:
    """The verdicts without where they are from, in one order."""
    plain = [verdict | {"since": "", "number": repr(verdict["number"])} for verdict in verdicts]
    return sorted(json.dumps(verdict, sort_keys=True).replace('.0"', '"') for verdict in plain)


def test_what_has_not_changed_is_listed_with_the_verdict_of_that_commit(zoo, capsys):
    code, verdicts = check_since(zoo)
    out = capsys.readouterr().out
    was = json.loads((zoo.parent / "verdicts.json").read_text(encoding="utf-8"))["verdicts"]
    commit = git(zoo, "rev-parse", "HEAD").strip()
    assert code == 1 and {verdict["since"] for verdict in verdicts} == {commit}
    assert strip(verdicts) == strip(was)
    assert re.search(rf"one +chain +unchanged since {commit[:12]}: every digest agrees", out)
    assert "FAIL  two: params" in out and f"unchanged since {commit[:12]}: 1" in out
    assert "of them unchanged since" in out.splitlines()[-1]


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1
    path.write_text(text.replace(old, new), encoding="utf-8")


def waive(folder: Path) -> None:
    expires = date.today() + timedelta(days=30)
    (folder / "waivers.toml").write_text(
        '[[waiver]]\nentry = "two"\ngate = "params"\naccepted = 62\nreason = "r"\nowner = "o"\n'
        f"expires = {expires}\n",
        encoding="utf-8",
    )


CHANGES = {
    "nothing but prose": (
        lambda zoo: edit(zoo / "nets.py", "\n\nclass W", "\n# W\n\nclass W"),
        set(),
    ),
    "a run": (lambda zoo: record(zoo, "one", 1), {"one", "both"}),
    "the runs of an ensemble": (lambda zoo: record(zoo, "both"), {"both"}),
    "weights": (
        lambda zoo: (zoo / "weights/two-seed0-shapes.safetensors").write_bytes(b"junk"),
        {"two", "both"},
    ),
    "a run that is gone": (
        lambda zoo: (zoo / "weights/squares-seed0-squares.safetensors").unlink(),
        {"squares"},
    ),
    "a budget": (
        lambda zoo: edit(zoo / "zoo.py", "max_params=99", "max_params=9"),
        {"squares"},
    ),
    "a network": (lambda zoo: edit(zoo / "nets.py", "(5)", "(6)"), {"two", "both"}),
    "images": (lambda zoo: write_images(zoo / "squares.npz", 101), {"squares"}),
    "a waiver": (waive, {"two"}),
    "a new entry": (
        lambda zoo: (
            edit(zoo / "zoo.py", "    TWO,\n", '    TWO, replace(TWO, name="three"),\n')
            or edit(zoo / "zoo.py", "import sys\n", "import sys\nfrom dataclasses import replace\n")
        ),
        {"three"},
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_changed_is_measured_again_and_all_is_as_a_whole_check_says(change, zoo, capsys):
    apply, expected = CHANGES[change]
    apply(zoo)
    code, verdicts = check_since(zoo)
    assert measured(verdicts) == expected
    assert check(zoo, zoo.parent / "whole.json")[0] == code
    whole = json.loads((zoo.parent / "whole.json").read_text(encoding="utf-8"))["verdicts"]
    assert set(strip(verdicts)) ^ set(strip(whole)) == set()


# --- never from nothing ---------------------------------------------------------------------------


def tamper(folder: Path, change) -> None:
    path = folder.parent / "verdicts.json"
    report = json.loads(path.read_text(encoding="utf-8"))
    change(report)
    path.write_text(json.dumps(report), encoding="utf-8")


def set_status(report: dict, status: str) -> None:
    for verdict in report["verdicts"]:
        if (verdict["entry"], verdict["gate"]) == ("one", "leak"):
            verdict["status"] = status


def bring_report(zoo: Path) -> None:
    """A link in git to a report in git: of the commit before, as if that had passed."""
    path = zoo.parent / "verdicts.json"
    shutil.copy(path, zoo / "forged.json")
    path.unlink()
    path.symlink_to(zoo / "forged.json")
    git(zoo, "add", "forged.json")


NOTHING = {
    "no report": (lambda zoo: (zoo.parent / "verdicts.json").unlink(), "there is no"),
    "a damaged report": (
        lambda zoo: (zoo.parent / "verdicts.json").write_text("{", encoding="utf-8"),
        "is no report of `check --json`",
    ),
    "another commit": (lambda zoo: git(zoo, "commit", "--allow-empty", "-qm", "next"), "is of"),
    "files that were in no commit": (
        lambda zoo: tamper(zoo, lambda report: report["basis"].update(commit="")),
        "does not say which commit",
    ),
    "a report that the commit brings": (bring_report, "no commit vouches for itself"),
    "an older report": (
        lambda zoo: tamper(zoo, lambda report: report.pop("basis")),
        "does not say which commit",
    ),
    "another judge": (
        lambda zoo: tamper(zoo, lambda report: report["basis"].update(judge="0")),
        "the judge, Python or a package is another one",
    ),
}


@pytest.mark.parametrize("case", NOTHING)
def test_without_the_report_of_that_commit_all_is_measured_and_it_is_said(case, zoo, capsys):
    prepare, why = NOTHING[case]
    prepare(zoo)
    code, verdicts = check_since(zoo, "--only", "params")
    assert code == 1 and measured(verdicts) == ALL
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert "all is measured" in line and why in line


@pytest.mark.parametrize("status", ["waived", "not_run", "error", "not_judged"])
def test_a_verdict_that_does_not_last_is_given_again(status, zoo):
    tamper(zoo, lambda report: set_status(report, status))
    assert measured(check_since(zoo)[1]) == {"one"}


def test_a_gate_that_the_report_does_not_know_is_judged(zoo):
    tamper(zoo, lambda report: report["verdicts"].pop(0))
    assert measured(check_since(zoo, "--only", "params")[1]) == {"one"}
    tamper(zoo, lambda report: report["basis"]["entries"].pop(1))
    assert measured(check_since(zoo, "--only", "leak")[1]) == {"two"}


def test_a_check_of_changed_files_says_no_commit(zoo):
    edit(zoo / "nets.py", "(5)", "(6)")
    check(zoo, zoo.parent / "verdicts.json", "--only", "params")
    assert (
        json.loads((zoo.parent / "verdicts.json").read_text(encoding="utf-8"))["basis"]["commit"]
        == ""
    )


# --- with the rest --------------------------------------------------------------------------------


def test_shards_that_take_verdicts_over_give_a_report_that_can_be_taken_over(zoo):
    commit_before = git(zoo, "rev-parse", "HEAD").strip()
    edit(zoo / "zoo.py", "max_params=99", "max_params=98")
    git(zoo, "commit", "--quiet", "--all", "--message", "tighter")
    parts = []
    for number in (1, 2):
        part = zoo.parent / f"part{number}.json"
        since = ["--since", commit_before, "--verdicts", str(zoo.parent / "verdicts.json")]
        check(zoo, part, *since, "--shard", f"{number}/2")
        parts.append(str(part))
    merged = zoo.parent / "merged.json"
    words = ["merge-verdicts", *parts, "--zoo", str(zoo / "zoo.py"), "--json", str(merged)]
    assert cli.main(words) == 1
    verdicts = json.loads(merged.read_text(encoding="utf-8"))["verdicts"]
    assert measured(verdicts) == {"squares"}
    merged.replace(zoo.parent / "verdicts.json")
    assert measured(check_since(zoo)[1]) == set()


def test_against_the_base_what_is_unchanged_is_no_worse_and_what_failed_is_inherited(zoo):
    edit(zoo / "zoo.py", "max_params=99", "max_params=100")
    code, verdicts = check_since(zoo, "--base", "HEAD")
    assert code == 1 and measured(verdicts) == {"squares"}
    ratchet = {v["entry"]: v["status"] for v in verdicts if v["gate"] == "ratchet"}
    assert ratchet == {"one": "pass", "two": "pass", "both": "pass", "squares": "fail"}
    (failed,) = [v for v in verdicts if (v["entry"], v["gate"]) == ("two", "params")]
    assert (failed["status"], failed["origin"]) == ("fail", "inherited")


def test_the_shards_of_a_change_give_its_comment(zoo):
    edit(zoo / "zoo.py", "max_params=99", "max_params=98")
    since = ["--base", "HEAD", "--since", "HEAD", "--verdicts", str(zoo.parent / "verdicts.json")]
    parts = [str(zoo.parent / f"part{number}.json") for number in (1, 2)]
    for number, part in enumerate(parts, 1):
        check(zoo, Path(part), *since, "--shard", f"{number}/2")
    merged, whole = zoo.parent / "merged.md", zoo.parent / "whole.md"
    zoo_words = ["--zoo", str(zoo / "zoo.py")]
    cli.main(["merge-verdicts", *parts, *zoo_words, "--comment", str(merged)])
    cli.check([*zoo_words, "--base", "HEAD", "--comment", str(whole)])
    end = re.compile(r", \d+ of them unchanged since \w+|unchanged since \w+: ")
    assert end.sub("", merged.read_text(encoding="utf-8")) == whole.read_text(encoding="utf-8")


@pytest.mark.parametrize("words", [["--since", "HEAD"], ["--verdicts", "v.json"]])
def test_one_without_the_other_is_wrong_usage(words, capsys):
    assert cli.check(words) == 2
    assert "go together" in capsys.readouterr().err
