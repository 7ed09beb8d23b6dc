"""The file of measurements. A measurement is written as soon as it is finished.

The others in the file are kept.
"""

import json
from collections.abc import Sequence
from pathlib import Path

from torchbudget.errors import TorchBudgetError
from torchbudget.evidence.files import write_atomically
from torchbudget.evidence.machine import commit, hardware, installed_version, versions

ROOT = Path(__file__).resolve().parents[1]
SCHEMA = 1
ALSO = ("onnx", "onnxruntime", "onnxscript")


class ResultsError(TorchBudgetError):
    """A file that does not hold measurements of this schema."""


def machine() -> dict[str, object]:
    """The hardware, versions and commit on which a time depends."""
    also = {name: installed_version(name) or "missing" for name in ALSO}
    return {"hardware": hardware("cpu"), "versions": versions() | also, "commit": commit(ROOT)}


def read_measurements(path: Path) -> dict[str, dict]:
    """The measurements of a file by name; empty without a file. Raises `ResultsError`."""
    if not path.exists():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["schema"] == SCHEMA:
            return dict(content["measurements"])
    except (ValueError, KeyError, TypeError):
        pass
    raise ResultsError(
        f"{path} is not a file of measurements of schema {SCHEMA}; "
        "move it away, or name another with --out"
    )


def forecast(names: Sequence[str]) -> str:
    """How long these measurements took when they were last kept, and where."""
    kept = read_measurements(ROOT / "bench" / "results.json")
    known = [kept[name] for name in names if name in kept]
    if not known:
        return "how long it will take is not known: none of it was kept before"
    minutes = sum(one["seconds"] for one in known) / 60
    where = ", ".join(sorted({str(one["hardware"]["cpu"]) for one in known}))
    unknown = [name for name in names if name not in kept]
    more = f", and {', '.join(unknown)}, of which nothing is known" if unknown else ""
    return f"some {minutes:.0f} minutes, as on {where}{more}"


def merge(path: Path, name: str, measurement: dict) -> None:
    """Write `measurement` into the file; it replaces an earlier one of that name."""
    content = {"schema": SCHEMA, "measurements": read_measurements(path) | {name: measurement}}
    write_atomically(path, json.dumps(content, indent=1) + "\n")
