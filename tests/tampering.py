"""Ways to tamper with a trained zoo's folder, and to judge it."""

import json
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from torchbudget import cli
from torchbudget.evidence.results import Run
from torchbudget.report.verdict import Status


def judge(folder: Path, *words: str) -> tuple[int, dict[str, dict]]:
    """Exit code and verdicts by gate of the zoo in `folder`."""
    out = folder / "verdicts.json"
    code = cli.check(["--zoo", str(folder / "zoo.py"), "--json", str(out), *words])
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


def rename(folder: Path, seed: int, new: str, new_seed: int | None = None) -> None:
    """Give a seed of `tiny`, with its record and weights, to the entry `new`."""
    run = read_run(folder, seed)
    number = seed if new_seed is None else new_seed
    weights = folder / "weights"
    (weights / f"tiny-seed{seed}-mnist_sample.safetensors").rename(
        weights / f"{new}-seed{number}-mnist_sample.safetensors"
    )
    path = folder / "results.json"
    document = json.loads(path.read_text())
    document["runs"].remove(run)
    run |= {"entry": new, "seed": number}
    run["seal"] = msgspec.convert(run, Run).expected_seal()
    document["runs"].append(run)
    path.write_text(json.dumps(document))


def failed(verdicts: dict[str, dict]) -> set[str]:
    return {gate for gate, verdict in verdicts.items() if verdict["status"] == Status.FAIL}


def read_run(folder: Path, seed: int) -> dict:
    (run,) = [
        run
        for run in json.loads((folder / "results.json").read_text())["runs"]
        if run["seed"] == seed
    ]
    return run


def commit(folder: Path) -> None:
    """Make `folder` a git repository with all it holds in one commit."""
    for words in (
        ["init", "-q"],
        ["add", "."],
        ["-c", "user.name=zoo", "-c", "user.email=zoo@example.org", "commit", "-qm", "base"],
    ):
        subprocess.run(["git", *words], cwd=folder, check=True)


def waive(folder: Path, gate: str, accepted: float, days: int) -> None:
    """Write a waiver for `tiny` that expires in `days` days."""
    expires = (datetime.now(UTC) + timedelta(days=days)).date()
    lines = [
        "[[waiver]]",
        'entry = "tiny"',
        f'gate = "{gate}"',
        f"accepted = {accepted}",
        'reason = "a test"',
        'owner = "zoo"',
        f"expires = {expires}",
    ]
    (folder / "waivers.toml").write_text("\n".join(lines) + "\n")


def leaves(value, path=()):
    """Every (path, value) of a JSON document that is no container."""
    if isinstance(value, (dict, list)):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from leaves(item, (*path, key))
    else:
        yield path, value
