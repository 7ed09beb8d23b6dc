"""The ratchet: against the baseline nothing gets worse.

Nobody loosens a budget, drops an entry or adds a waiver unseen.
"""

import math
import statistics
from collections.abc import Collection, Iterable
from dataclasses import replace

from torchbudget.declare.entry import Entry, describe
from torchbudget.errors import Unmeasurable
from torchbudget.gates.baseline import Baseline, BaselineEntry
from torchbudget.gates.observation import Observation
from torchbudget.gates.waivers import WAIVERS_FILE, Waiver
from torchbudget.gates.weakening import find_weakenings
from torchbudget.report.verdict import Status, Verdict

JUDGED_WITH_BASELINE = ("ratchet",)
"""Gates that run only where `--base` gives something to compare with."""


def judge_ratchet(entry: Entry, observation: Observation) -> Verdict:
    """Numbers kept, multiply-adds and each seed's misses are no worse than at the baseline.

    The slack that the budget declared there is allowed. An entry under another name is compared
    with the one that it was, by the digests of its weights and its network.

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
    predecessors = baseline.predecessors_of(entry.name)
    if not predecessors:
        return Verdict(
            gate="ratchet",
            status=Status.PASS,
            observed="new, nothing to compare",
            expected="no worse than the base",
        )
    broken = [was for was in predecessors if was.error]
    if broken:
        raise Unmeasurable(
            f"at the base, {baseline.commit[:12]}: {broken[0].error}",
            "compare with a base whose network can be measured",
        )
    params, multiply_adds = observation.size
    verdicts = [compare(was, params, multiply_adds, {}) for was in predecessors]
    if all(verdict.status is Status.PASS for verdict in verdicts):
        verdicts = [
            compare(was, params, multiply_adds, measure_shared(entry, observation, was))
            for was in predecessors
        ]
    worst = next((verdict for verdict in verdicts if verdict.status is Status.FAIL), verdicts[0])
    names = [was.name for was in predecessors if was.name != entry.name]
    renamed = tuple(f"it was {name} at the base" for name in names)
    return replace(worst, details=(f"base: {baseline.commit}", *renamed))


def measure_shared(entry: Entry, observation: Observation, was: BaselineEntry) -> dict[int, int]:
    """The misses here of each declared seed that the baseline has on record for the same images."""
    if was.dataset != entry.dataset:
        return {}
    shared = [seed for seed in range(entry.budget.seeds) if seed in was.misses]
    return {seed: observation.measure(seed).misses for seed in shared}


def compare(was: BaselineEntry, params: int, multiply_adds: int, misses: dict[int, int]) -> Verdict:
    """What is measured now against the baseline.

    The verdict shows all that got worse beyond its slack, else all that was compared.
    """
    pairs = [
        ("params", was.params, params, was.budget["slack"]["params"]),
        (
            "multiply-adds",
            was.multiply_adds,
            multiply_adds,
            was.budget["slack"]["multiply_adds"],
        ),
    ]
    slack = count_slack(was) if misses else 0
    for seed, found in sorted(misses.items()):
        pairs.append((f"misses of seed {seed}", was.misses[seed], found, slack))
    worse = [(name, then, now, room) for name, then, now, room in pairs if now > then + room]
    shown = "; ".join(
        f"{name} {then:,} -> {now:,} (slack {room:,})" for name, then, now, room in worse or pairs
    )
    return Verdict(
        gate="ratchet",
        status=Status.FAIL if worse else Status.PASS,
        observed=shown + ("" if misses else "; no misses on record to compare"),
        expected="no worse than the base",
        difference=", ".join(f"{now - then:+,} {name}" for name, then, now, _ in worse),
        remedy="win it back in this change: the base had it for less" if worse else "",
    )


def count_slack(was: BaselineEntry) -> int:
    """The misses that may be added to a seed's: a count, or standard deviations of the seeds there.

    Raises `Unmeasurable` where fewer than two seeds are on record, which have no deviation.
    """
    slack = was.budget["slack"]
    deviations = slack.get("misses_sd", 0)
    declared = [count for seed, count in was.misses.items() if seed < was.budget["seeds"]]
    if not deviations:
        return int(slack["misses"])
    if len(declared) < 2:
        raise Unmeasurable(
            f"slack.misses_sd of {was.name} is in standard deviations of its seeds, and the base "
            f"has {len(declared)} of them on record",
            "compare with a base that has the record of two seeds or more",
        )
    allowed: int = math.floor(deviations * statistics.stdev(declared))
    return allowed


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
        now = describe(entry.budget) | {"dataset": entry.dataset}
        for was in baseline.predecessors_of(entry.name):
            then = was.budget | {"dataset": was.dataset}
            for field, change in find_weakenings(then, now, was.total):
                name = "" if was.name == entry.name else f" (it was {was.name})"
                verdicts.append(report_weakening(entry.name, field, f"{change}{name}"))
    return verdicts


def judge_removed(zoo: dict[str, Entry], baseline: Baseline) -> list[Verdict]:
    """A failure for each entry of the baseline that is in the zoo under no name."""
    removed = [name for name in baseline.entries if name not in zoo]
    if not removed:
        return []
    compared = {was.name for name in zoo for was in baseline.predecessors_of(name)}
    return [
        report_weakening(name, "", "the entry was removed")
        for name in removed
        if name not in compared
    ]


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
