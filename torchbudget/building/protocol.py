"""What the judge and the builder agree on: requests, and the names of files.

This module imports neither torch nor numpy.
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torchbudget.declare.declaration import History

PIPES = ("requests", "replies")
ANSWER = "answer.json"
"""What a build leaves in its folder when all else is there."""
REQUEST = "request.json"
"""What to build, in the folder of a build that no server was asked for."""
OUTPUT = "output.txt"
"""What a build prints, in its folder."""
LEFT_OUT = "left-out"
"""What stands for the network of an entry that was not asked for."""


@dataclass(frozen=True)
class Request:
    """What to build: the zoo file at `path`, into `folder`.

    `current` is the folder of today's zoo file, where `path` is one of an earlier commit. `images`
    names the entry whose images are wanted and not the zoo. `entries` are those whose networks are
    wanted, all where it is empty. `histories` are those of each entry's runs, `environment` the
    variables that say where data sets are.
    """

    path: str
    folder: str
    data_root: str | None = None
    current: str | None = None
    images: str | None = None
    entries: tuple[str, ...] = ()
    histories: "dict[str, list[History]]" = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
