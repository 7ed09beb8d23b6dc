"""Waivers, `waivers.toml`: failures that somebody accepts, for a while, at a value.

[[waiver]]
entry = "slim"
gate = "accuracy"
accepted = 62                 # the figure observed, or for a gate without one the text observed
reason = "new augmentation; a retrained seed 3 is under way"
owner = "Ada"
expires = 2026-03-31          # the last day, UTC, at most 90 days ahead
"""

import math
import tomllib
from collections.abc import Collection, Iterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import msgspec
from msgspec import Struct

from torchbudget.errors import WaiverError
from torchbudget.reading import reading
from torchbudget.report.verdict import HARMLESS, Status, Verdict

WAIVERS_FILE = "waivers.toml"
MAX_AHEAD = timedelta(days=90)
NEVER_WAIVED = ("chain", "leak", "claim")
"""Gates without which no other number means anything."""
WAIVERS_GATE = "waivers"
"""The gate that verdicts on waivers themselves name."""
NEEDS_BASELINE = "ratchet"
"""The gate whose entries may be gone from the zoo, and which runs only against a baseline."""


class Waiver(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One failure accepted: `gate` on `entry`, as it was observed: no worse, and no better.

    What got better needs a tighter waiver, or room would be left to get worse again.
    """

    entry: str
    gate: str
    accepted: int | float | str
    reason: str
    owner: str
    expires: date

    def __post_init__(self) -> None:
        for name in ("entry", "gate", "accepted", "reason", "owner"):
            value = getattr(self, name)
            if isinstance(value, str) and not value.strip():
                raise ValueError(f"{name} is empty")
        if isinstance(self.accepted, float) and not math.isfinite(self.accepted):
            raise ValueError(f"accepted must be a finite number, not {self.accepted}")

    def covers(self, verdict: Verdict) -> bool:
        """Whether the failure is the accepted one, by its number where it has one."""
        if verdict.status is not Status.FAIL or not self.names(verdict):
            return False
        if isinstance(self.accepted, str) or verdict.number is None:
            return self.accepted == verdict.observed
        return verdict.number == self.accepted

    def names(self, verdict: Verdict) -> bool:
        return (self.entry, self.gate) == (verdict.entry, verdict.gate)


class Waivers(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The file."""

    waiver: list[Waiver] = []


def read_waivers(path: Path) -> list[Waiver]:
    """All waivers in `path`; none where the file does not exist. Raises `WaiverError`."""
    if not path.exists():
        return []
    with reading(path, WaiverError, "is not a waivers file", "mend it or restore it from git"):
        content = tomllib.loads(path.read_bytes().decode("utf-8"))
        waivers = msgspec.convert(content, Waivers).waiver
    keys = [(waiver.entry, waiver.gate, waiver.accepted) for waiver in waivers]
    for key in keys:
        if keys.count(key) > 1:
            raise WaiverError(
                f"{path} waives {key[1]} of {key[0]} at {key[2]} {keys.count(key)} times"
            )
    return waivers


def apply_waivers(
    verdicts: list[Verdict],
    waivers: list[Waiver],
    today: date,
    *,
    entries: Collection[str],
    gates: Collection[str],
) -> list[Verdict]:
    """The verdicts, covered failures as `waived`.

    A failure of gate "waivers" is added for each waiver that is void or no longer needed. `entries`
    and `gates` name all there are (with a baseline, also its entries), judged this time or not; a
    waiver for what was not judged is left alone.
    """
    compared = any(verdict.gate == NEEDS_BASELINE for verdict in verdicts)
    void = {
        waiver: why
        for waiver in waivers
        if (why := _why_void(waiver, today) or _why_unknown(waiver, entries, gates, compared))
    }
    valid = [waiver for waiver in waivers if waiver not in void]
    judged = [_apply(verdict, valid) for verdict in verdicts]
    idle = {
        waiver: "no longer needed: its gate passes without it"
        for waiver in valid
        if _is_idle(waiver, valid, verdicts)
    }
    return judged + [_complain(waiver, why) for waiver, why in (void | idle).items()]


def _why_unknown(
    waiver: Waiver, entries: Collection[str], gates: Collection[str], compared: bool
) -> str:
    if waiver.gate not in {*gates, NEEDS_BASELINE}:
        return f"no such gate; there are {', '.join(gates)}"
    if waiver.entry not in entries and (compared or waiver.gate != NEEDS_BASELINE):
        return f"no such entry; the zoo has {', '.join(entries)}"
    return ""


def _why_void(waiver: Waiver, today: date) -> str:
    if waiver.gate in NEVER_WAIVED:
        return f"{', '.join(NEVER_WAIVED)} cannot be waived: without them no number means anything"
    if waiver.expires < today:
        return f"expired on {waiver.expires}, today is {today} (UTC)"
    if waiver.expires > today + MAX_AHEAD:
        return (
            f"expires on {waiver.expires}, more than {MAX_AHEAD.days} days after today, "
            f"{today} (UTC)"
        )
    return ""


def _apply(verdict: Verdict, waivers: list[Waiver]) -> Verdict:
    """The verdict as waived, or with a line on why a waiver of its gate does not cover it."""
    for waiver in waivers:
        if waiver.covers(verdict):
            line = (
                f"{waiver.accepted} accepted until {waiver.expires} by {waiver.owner}: "
                f"{waiver.reason}"
            )
            return replace(
                verdict,
                status=Status.WAIVED,
                remedy=f"{line}; by then: {verdict.remedy}",
                details=(*verdict.details, line),
            )
    if verdict.status is not Status.FAIL:
        return verdict
    return replace(verdict, details=(*verdict.details, *_misfits(verdict, waivers)))


def _misfits(verdict: Verdict, waivers: list[Waiver]) -> Iterator[str]:
    for waiver in waivers:
        if waiver.names(verdict):
            by_number = verdict.number is not None and not isinstance(waiver.accepted, str)
            observed = f"{verdict.number:.15g}" if by_number else repr(verdict.observed)
            yield (
                f"not covered by the waiver of {waiver.owner}: "
                f"{observed} is not the accepted {waiver.accepted!r}"
            )


def _is_idle(waiver: Waiver, waivers: list[Waiver], verdicts: list[Verdict]) -> bool:
    """Whether its gate was judged, and all of it passes or is covered by other waivers."""
    named = [verdict for verdict in verdicts if waiver.names(verdict)]
    used = []
    for verdict in named:
        cover = next((other for other in waivers if other.covers(verdict)), None)
        if cover is None and verdict.status not in HARMLESS:
            return False
        used.append(cover)
    return bool(named) and waiver not in used


def _complain(waiver: Waiver, why: str) -> Verdict:
    return Verdict(
        gate=WAIVERS_GATE,
        status=Status.FAIL,
        entry=waiver.entry,
        observed=f"{waiver.gate} waived at {waiver.accepted} by {waiver.owner}: {why}",
        expected="a waiver of an entry and gate that fails, until a day at most 90 days ahead",
        where=WAIVERS_FILE,
        remedy="remove the waiver, and mend what it covered",
    )
