"""What the verdicts of a report rest on, by which a later check knows what has not changed."""

from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Fingerprint:
    """SHA-256 of all that the verdicts on an entry rest on; "" is what was not read.

    `built` is what the zoo's code gives: the declaration, and the network as captured. `evidence`
    are its runs in the record and its weights files, with those of its `members`: the networks of
    an ensemble, and those that taught. `data` are the images.
    """

    entry: str
    built: str
    evidence: str
    data: str = ""
    members: list[str] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Basis:
    """`commit` is what was judged, "" where files differed from it or there is no git.

    `judge` is a SHA-256 of the judge's code, Python and all packages.
    """

    commit: str
    judge: str
    entries: list[Fingerprint]
