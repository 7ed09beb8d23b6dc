"""Ways to tamper with a trained zoo's folder, and to judge it."""

import json
from pathlib import Path

import msgspec

import check
from utils.evidence import Run
from utils.verdict import Status


def judge(folder: Path, *words: str) -> tuple[int, dict[str, dict]]:
    """Exit code and verdicts by gate of the zoo in `folder`."""
    out = folder / "verdicts.json"
    code = check.main(["--zoo", str(folder / "zoo.py"), "--json", str(out), *words])
    return code, {verdict["gate"]: verdict for verdict in json.loads(out.read_text())["verdicts"]}


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def edit_run(folder: Path, seed: int, reseal: bool = False, **changes) -> None:
    path = folder / "results.json"
    document = json.loads(path.read_text())
    (run,) = [run for run in document["runs"] if run["seed"] == seed]
    run.update(changes)
    if reseal:
        run["seal"] = msgspec.convert(run, Run).expected_seal()
    path.write_text(json.dumps(document))


def failed(verdicts: dict[str, dict]) -> set[str]:
    return {gate for gate, verdict in verdicts.items() if verdict["status"] == Status.FAIL}
