"""Where a file differs from the form in which it would be written."""

from itertools import zip_longest

MAX_SHOWN = 60
"""Characters of a line that a message shows."""


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
