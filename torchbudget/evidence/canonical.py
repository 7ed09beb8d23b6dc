"""The form in which a results file is written, and where a file differs from it."""

import json
from itertools import zip_longest
from typing import Any

MAX_SHOWN = 60
"""Characters of a line that a message shows."""


def to_json(schema: int, runs: list[dict[str, Any]]) -> str:
    """JSON with a field of a run on each line, so that a diff shows what changed."""
    blocks = []
    for run in runs:
        fields = [f"   {json.dumps(name)}: {json.dumps(value)}" for name, value in run.items()]
        blocks.append("  {\n" + ",\n".join(fields) + "\n  }")
    return f'{{\n "schema": {schema},\n "runs": [\n' + ",\n".join(blocks) + "\n ]\n}\n"


def describe_difference(content: bytes, text: str, stems: list[str]) -> str:
    """The first line of `content` that is not as it would be written, and the run it is of."""
    num_begun = 0
    lines = zip_longest(content.decode("utf-8", "replace").split("\n"), text.split("\n"))
    for number, (found, expected) in enumerate(lines, start=1):
        num_begun += expected == "  {"
        if found != expected:
            return _describe_line(number, found, expected, stems[:num_begun])
    return "is not as it is written: it is not UTF-8"


def _describe_line(number: int, found: str | None, expected: str | None, begun: list[str]) -> str:
    """How a line of the file differs; `begun` are the names of the runs up to it."""
    owner = f", in run {begun[-1]}," if begun else ""
    return (
        f"is not as it is written: line {number}{owner} is {_shorten(found)} "
        f"in place of {_shorten(expected)}"
    )


def _shorten(line: str | None) -> str:
    if line is None:
        return "nothing"
    return repr(line if len(line) <= MAX_SHOWN else line[:MAX_SHOWN] + "...")
