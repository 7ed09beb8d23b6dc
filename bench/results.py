"""The file of what was measured: each measurement is put in as soon as it is finished, beside those that stand there."""

import json
from pathlib import Path

from torchbudget.evidence.files import write_atomically
from torchbudget.evidence.machine import commit, hardware, installed_version, versions

ROOT = Path(__file__).resolve().parents[1]
SCHEMA = 1
ALSO = ("onnx", "onnxruntime", "onnxscript")


class ResultsError(RuntimeError):
    """A results file that is not one of ours."""


def machine() -> dict[str, object]:
    """What a figure of time depends on besides the code."""
    also = {name: installed_version(name) or "missing" for name in ALSO}
    return {"hardware": hardware("cpu"), "versions": versions() | also, "commit": commit(ROOT)}


def read_measurements(path: Path) -> dict[str, dict]:
    """By name; none where there is no file. Raises `ResultsError`."""
    if not path.exists():
        return {}
    try:
        content = json.loads(path.read_text())
        if content["schema"] == SCHEMA:
            return dict(content["measurements"])
    except (ValueError, KeyError, TypeError):
        pass
    raise ResultsError(
        f"{path} is not a file of measurements of schema {SCHEMA}; move it away, or name another with --out"
    )


def merge(path: Path, name: str, measurement: dict) -> None:
    """Put `measurement` in the place of the earlier one of that name."""
    content = {"schema": SCHEMA, "measurements": read_measurements(path) | {name: measurement}}
    write_atomically(path, lambda partial: partial.write_text(json.dumps(content, indent=1) + "\n"))
