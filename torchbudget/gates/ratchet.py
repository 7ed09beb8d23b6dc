"""The ratchet: against the baseline nothing gets worse.

Nobody loosens a budget, drops an entry or adds a waiver unseen.
"""

from collections.abc import Collection, Iterable
from dataclasses import replace
from typing import Any

from torchbudget.declare.entry import Entry, describe
from torchbudget.errors import Unmeasurable
from torchbudget.gates.baseline import Baseline, BaselineEntry
from torchbudget.gates.observation import Observation
from torchbudget.gates.waivers import WAIVERS_FILE, Waiver
from torchbudget.report.verdict import Status, Verdict

JUDGED_WITH_BASELINE = ("ratchet",)
"""Gates that run only where `--base` gives something to compare with."""
LESS_IS_WEAKER = ("least", "seeds")
"""Declared numbers, besides the minima, that weaken as they fall."""


def judge_ratchet(entry: Entry, observation: Observation) -> Verdict:
    """Numbers kept, multiply-adds and each seed's misses are no worse than at the baseline.

    The slack that the budget declared there is allowed.

    Why: a limit leaves headroom, and headroom is eaten a little in each change until nothing is
    left. The baseline is read from git at the merge base, and its slack counts, so that no change
    can grant itself room.

    Fails: 18,122 parameters at the baseline, 18,400 now, slack 0, though the limit is 20,000.

    Passes: seed 0 missed 51 at the baseline and misses 53 now, with `slack=Slack(misses=3)`
    declared at the baseline.
    """
    baseline = observation.baseline
    if baseline is None:
        raise Unmeasurable("no baseline to compare with", "give --base REF")
    if entry.name not in baseline.entries:
        return Verdict(
            gate="ratchet",
            status=Status.PASS,
            observed="new, nothing to compare",
            expected="no worse than the base",
        )
    was = baseline.entries[entry.name]
    if was.error:
        raise Unmeasurable(
            f"at the base, {baseline.commit[:12]}: {was.error}",
            "compare with a base whose network can be measured",
        )
    details = (f"base: {baseline.commit}",)
    params, multiply_adds = observation.size
    size = compare(was, params, multiply_adds, {})
    if size.status is Status.FAIL:
        return replace(size, details=details)
    shared = [seed for seed in range(entry.budget.seeds) if seed in was.misses]
    if was.dataset != entry.dataset:
        shared = []
    misses = {seed: observation.measure(seed).misses for seed in shared}
    return replace(compare(was, params, multiply_adds, misses), details=details)


def compare(was: BaselineEntry, params: int, multiply_adds: int, misses: dict[int, int]) -> Verdict:
    """What is measured now against the baseline.

    The verdict shows all that got worse beyond its slack, else all that was compared.
    """
    pairs = [
        ("params", "params", was.params, params),
        ("multiply-adds", "multiply_adds", was.multiply_adds, multiply_adds),
    ]
    for seed, found in sorted(misses.items()):
        pairs.append((f"misses of seed {seed}", "misses", was.misses[seed], found))
    slack = was.budget["slack"]
    worse = [pair for pair in pairs if pair[3] > pair[2] + slack[pair[1]]]
    shown = "; ".join(
        f"{name} {then:,} -> {now:,} (slack {slack[kind]:,})"
        for name, kind, then, now in worse or pairs
    )
    return Verdict(
        gate="ratchet",
        status=Status.FAIL if worse else Status.PASS,
        observed=shown + ("" if misses else "; no misses on record to compare"),
        expected="no worse than the base",
        difference=", ".join(f"{now - then:+,} {name}" for name, _, then, now in worse),
        remedy="win it back in this change: the base had it for less" if worse else "",
    )


# --- what may not be weakened unseen --------------------------------------------------------------


def judge_against_baseline(
    zoo: dict[str, Entry],
    baseline: Baseline,
    waivers: Iterable[Waiver],
    names: Collection[str] = (),
) -> list[Verdict]:
    """Verdicts on what the zoo declares.

    Weakened budgets (of `names`, or of all entries), removed entries, added waivers.
    """
    kept = [entry for entry in zoo.values() if not names or entry.name in names]
    return [
        *judge_weakened(kept, baseline),
        *judge_removed(zoo, baseline),
        *judge_added_waivers(waivers, baseline),
    ]


def judge_weakened(entries: Iterable[Entry], baseline: Baseline) -> list[Verdict]:
    """A failure for each part of a budget that asks for less than at the baseline."""
    verdicts = []
    for entry in entries:
        was = baseline.entries.get(entry.name)
        if was is None:
            continue
        then = was.budget | {"dataset": was.dataset}
        now = describe(entry.budget) | {"dataset": entry.dataset}
        for field, change in find_weakenings(then, now):
            verdicts.append(report_weakening(entry.name, field, change))
    return verdicts


def judge_removed(zoo: dict[str, Entry], baseline: Baseline) -> list[Verdict]:
    """A failure for each entry of the baseline that the zoo no longer has."""
    removed = [name for name in baseline.entries if name not in zoo]
    return [report_weakening(name, "", "the entry was removed") for name in removed]


def judge_added_waivers(waivers: Iterable[Waiver], baseline: Baseline) -> list[Verdict]:
    """A line, waived by itself, for each waiver that the baseline did not have."""
    added = [waiver for waiver in waivers if waiver not in baseline.waivers]
    return [
        Verdict(
            gate="waivers",
            status=Status.WAIVED,
            entry=waiver.entry,
            observed=f"waiver added: {waiver.gate} at {waiver.accepted}, until {waiver.expires}, "
            f"by {waiver.owner}",
            expected="no waiver that the base did not have",
            where=WAIVERS_FILE,
            remedy=f"review its reason: {waiver.reason}",
        )
        for waiver in added
    ]


def report_weakening(entry: str, field: str, change: str) -> Verdict:
    return Verdict(
        gate="ratchet",
        status=Status.FAIL,
        entry=entry,
        observed=f"budget weakened: {change}",
        expected="a budget that asks for no less than at the base",
        field="data" if field == "dataset" else field,
        remedy=f"put it back; a change that must weaken a budget says why in {WAIVERS_FILE}",
    )


def find_weakenings(was: dict[str, Any], now: dict[str, Any]) -> list[tuple[str, str]]:
    """(field, change as people read it) of each field that asks for less now than it did.

    `was` and `now` are described budgets.
    """
    changes = []
    for name, then in was.items():
        if is_weaker(name, then, now.get(name)):
            changes.append((name, f"{name} {show(then)} -> {show(now.get(name))}"))
    for name, then in was["slack"].items():
        if is_weaker(name, then, now["slack"][name]):
            changes.append(("slack", f"slack.{name} {then} -> {now['slack'][name]}"))
    for change in find_weaker_requirements(was["requires"], now["requires"]):
        changes.append(("requires", f"requires {change}"))
    return changes


def is_weaker(name: str, was: Any, now: Any) -> bool:
    """True if `now` demands less than `was`; a field of unknown direction is weaker on any change.

    A field of several values is judged by them, one by one.
    """
    if was == now or isinstance(was, (dict, list)):
        return False
    if name.startswith(("max_", "min_")) and None in (was, now):
        return now is None
    if name.startswith("min_") or name in LESS_IS_WEAKER:
        return bool(now < was)
    return not isinstance(was, (int, float)) or bool(now > was)


def find_weaker_requirements(was: list[dict[str, Any]], now: list[dict[str, Any]]) -> list[str]:
    """Each requirement that none of `now` implies, with those of its kind that took its place."""
    changes = []
    for old in was:
        same = [new for new in now if new["kind"] == old["kind"]]
        if not any(implies(new, old) for new in same):
            changes.append(f"{show(old)} -> {' and '.join(map(show, same)) or 'none'}")
    return changes


def implies(new: dict[str, Any], old: dict[str, Any]) -> bool:
    return not any(is_weaker(name, value, new.get(name)) for name, value in old.items())


def show(value: Any) -> str:
    if isinstance(value, dict):
        parts = ", ".join(f"{name}={part}" for name, part in value.items() if name != "kind")
        return f"{value['kind']}({parts})"
    return str(value)
