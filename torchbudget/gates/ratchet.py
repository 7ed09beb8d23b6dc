"""The ratchet: against the base nothing gets worse, and nobody loosens a budget, drops an entry or adds a waiver unseen."""

from collections.abc import Collection, Iterable

from torchbudget.declare.entry import Entry, describe
from torchbudget.errors import Unmeasurable
from torchbudget.gates.baseline import Baseline, BaselineEntry
from torchbudget.gates.observation import Observation
from torchbudget.gates.waivers import Waiver
from torchbudget.report.verdict import Status, Verdict

JUDGED_WITH_BASE = ("ratchet",)
"""Gates that run only where `--base` gives something to compare with."""
LESS_IS_WEAKER = ("least", "seeds")
"""Declared numbers, besides the minima, that weaken as they fall."""


def judge_ratchet(entry: Entry, seen: Observation) -> Verdict:
    """Numbers kept, multiply-adds and each seed's misses are no worse than at the base, beyond the slack that the budget declared there.

    Why: a limit leaves headroom, and headroom is eaten a little in each change until nothing is left. The base is read from git at
    the merge base, and its slack counts, so that no change can grant itself room.

    Fails: 18,122 parameters at the base, 18,400 now, slack 0, though the limit is 20,000.

    Passes: seed 0 missed 51 at the base and misses 53 now, with `slack=Slack(misses=3)` declared at the base.
    """
    if (base := seen.base) is None:
        raise Unmeasurable("no base to compare with", "check.py --base REF")
    if entry.name not in base.entries:
        return Verdict(
            gate="ratchet",
            status=Status.PASS,
            observed="new, nothing to compare",
            expected="no worse than the base",
        )
    was = base.entries[entry.name]
    if was.error:
        raise Unmeasurable(
            f"at the base, {base.commit[:12]}: {was.error}",
            "compare with a base whose network can be measured",
        )
    params, multiply_adds = seen.size
    if (size := compare(was, params, multiply_adds, {})).status is Status.FAIL:
        return size.of(details=(f"base: {base.commit}",))
    shared = (
        [seed for seed in range(entry.budget.seeds) if seed in was.misses]
        if was.dataset == entry.dataset
        else []
    )
    misses = {seed: seen.measure(seed).misses for seed in shared}
    return compare(was, params, multiply_adds, misses).of(details=(f"base: {base.commit}",))


def compare(was: BaselineEntry, params: int, multiply_adds: int, misses: dict[int, int]) -> Verdict:
    """What is measured now against the base: all that got worse beyond its slack, else all that was compared."""
    pairs = [
        ("params", "params", was.params, params),
        ("multiply-adds", "multiply_adds", was.multiply_adds, multiply_adds),
    ]
    pairs += [
        (f"misses of seed {seed}", "misses", was.misses[seed], found)
        for seed, found in sorted(misses.items())
    ]
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


# --- what may not be weakened unseen ----------------------------------------------------------------------------------


def judge_against_base(
    zoo: dict[str, Entry], base: Baseline, waivers: Iterable[Waiver], names: Collection[str] = ()
) -> list[Verdict]:
    """Verdicts on what the zoo declares: weakened budgets (of `names`, or of all entries), removed entries, added waivers."""
    kept = [entry for entry in zoo.values() if not names or entry.name in names]
    return [
        *judge_weakened(kept, base),
        *judge_removed(zoo, base),
        *judge_added_waivers(waivers, base),
    ]


def judge_weakened(entries: Iterable[Entry], base: Baseline) -> list[Verdict]:
    """A failure for each part of a budget that asks for less than at the base."""
    return [
        _weakened(entry.name, field, change)
        for entry in entries
        if (was := base.entries.get(entry.name))
        for field, change in weakenings(
            was.budget | {"dataset": was.dataset},
            describe(entry.budget) | {"dataset": entry.dataset},
        )
    ]


def judge_removed(zoo: dict[str, Entry], base: Baseline) -> list[Verdict]:
    """A failure for each entry of the base that the zoo no longer has."""
    return [
        _weakened(name, "", "the entry was removed") for name in base.entries if name not in zoo
    ]


def judge_added_waivers(waivers: Iterable[Waiver], base: Baseline) -> list[Verdict]:
    """A line, waived by itself, for each waiver that the base did not have."""
    return [
        Verdict(
            gate="waivers",
            status=Status.WAIVED,
            entry=waiver.entry,
            observed=f"waiver added: {waiver.gate} at {waiver.accepted}, until {waiver.expires}, by {waiver.owner}",
            expected="no waiver that the base did not have",
            where="waivers.toml",
            remedy=f"review its reason: {waiver.reason}",
        )
        for waiver in waivers
        if waiver not in base.waivers
    ]


def _weakened(entry: str, field: str, change: str) -> Verdict:
    return Verdict(
        gate="ratchet",
        status=Status.FAIL,
        entry=entry,
        observed=f"budget weakened: {change}",
        expected="a budget that asks for no less than at the base",
        field=field,
        remedy="put it back; a change that must weaken a budget says why in waivers.toml",
    )


def weakenings(was: dict, now: dict) -> list[tuple[str, str]]:
    """(field, change as people read it) of each field of two described budgets that asks for less now than it did."""
    changes = [
        (name, f"{name} {_show(then)} -> {_show(now.get(name))}")
        for name, then in was.items()
        if _is_weaker(name, then, now.get(name))
    ]
    changes += [
        ("slack", f"slack.{name} {then} -> {now['slack'][name]}")
        for name, then in was["slack"].items()
        if _is_weaker(name, then, now["slack"][name])
    ]
    return changes + [
        ("requires", f"requires {change}")
        for change in _weaker_requirements(was["requires"], now["requires"])
    ]


def _is_weaker(name: str, was: object, now: object) -> bool:
    """Whether a value asks for less; one of no known direction does with any change, one of several values is judged by them."""
    if was == now or isinstance(was, (dict, list)):
        return False
    if name.startswith(("max_", "min_")) and None in (was, now):
        return now is None
    if name.startswith("min_") or name in LESS_IS_WEAKER:
        return now < was
    return not isinstance(was, (int, float)) or now > was


def _weaker_requirements(was: list[dict], now: list[dict]) -> list[str]:
    """Each requirement that none of `now` implies, with the one of its kind that took its place."""
    changes = []
    for old in was:
        same = [new for new in now if new["kind"] == old["kind"]]
        if not any(_implies(new, old) for new in same):
            changes.append(f"{_show(old)} -> {' and '.join(map(_show, same)) or 'none'}")
    return changes


def _implies(new: dict, old: dict) -> bool:
    return not any(_is_weaker(name, value, new.get(name)) for name, value in old.items())


def _show(value: object) -> str:
    if isinstance(value, dict):
        return f"{value['kind']}({', '.join(f'{name}={part}' for name, part in value.items() if name != 'kind')})"
    return str(value)
