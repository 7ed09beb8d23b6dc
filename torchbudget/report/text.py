"""Text that somebody else wrote, made harmless for a terminal, a log and a page.

It comes from files, from exceptions and from networks. It must not break a line, move a cursor, or
give a command to the runner of a workflow, which takes commands from whatever is printed.
"""

import re

COMMAND_ANYWHERE = "##["
"""Begins a command of the runner wherever it stands in a line."""
COMMAND_AT_START = re.compile(r"^(\s*):(?=:)", re.MULTILINE)
"""The first of the two colons that begin a command of the runner at the start of a line."""


def as_one_line(text: str) -> str:
    r"""The text as one printable line that is no command to the runner of a workflow.

    Runs of white space become one space. Control characters, and others that are not printed, are
    escaped as Python writes them: ESC is "\x1b". A space parts what would begin a command.
    """
    words = " ".join(text.split())
    characters = []
    for character in words:
        if character.isprintable():
            characters.append(character)
        else:
            characters.append(character.encode("unicode_escape", "surrogatepass").decode("ascii"))
    return without_commands("".join(characters))


def without_commands(text: str) -> str:
    """Lines that are printed, none of which gives a command to the runner of a workflow."""
    return COMMAND_AT_START.sub(r"\1: ", text.replace(COMMAND_ANYWHERE, "## ["))


def first_line(error: BaseException) -> str:
    """What an exception says: the first line that says something, else the exception's name."""
    for line in str(error).splitlines():
        if line.strip():
            return as_one_line(line)
    return type(error).__name__
