"""Whether a failure was there at the baseline: inherited, caused here, or unknown.

A gate is a function of what it reads. Where all of that is as it was at the baseline, so is the
verdict. Else the sizes and the record at the baseline say whether the gate failed there, as far as
they go; no weights are measured again. What they do not settle is unknown, and never guessed.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace

from torchbudget.declare.budget import ACCURACY, Budget
from torchbudget.declare.entry import changed_fields, describe
from torchbudget.declare.teaching import list_teachers
from torchbudget.errors import Unmeasurable
from torchbudget.evidence.files import file_digest
from torchbudget.gates.accuracy import judge_misses
from torchbudget.gates.baseline import COSTS, Baseline, BaselineEntry, describe_duplicates
from torchbudget.gates.claim import find_contradictions, find_flips, fits, reproduce
from torchbudget.gates.epochs import contradicts_history
from torchbudget.gates.observation import Observation
from torchbudget.gates.waivers import NEEDS_BASELINE, WAIVERS_GATE, Waiver
from torchbudget.report.verdict import Origin, Status, Verdict


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """An entry now, what is observed of it, and what it was at the baseline."""

    now: Observation
    was: BaselineEntry
    baseline: Baseline


def find_origin(verdict: Verdict, baseline: Baseline, now: Observation | None) -> Origin:
    """Where a failure comes from; `now` observes its entry, and is None where the zoo has none."""
    if verdict.gate == NEEDS_BASELINE:
        return Origin.CAUSED_HERE
    if now is None:
        orphaned = verdict.entry in baseline.recorded and verdict.entry not in baseline.entries
        return Origin.INHERITED if orphaned else Origin.CAUSED_HERE
    predecessors = baseline.predecessors_of(verdict.entry)
    if not predecessors:
        return Origin.CAUSED_HERE
    comparison = Comparison(now=now, was=predecessors[0], baseline=baseline)
    failed = failed_at_baseline(verdict.gate, comparison)
    if failed is None:
        return Origin.UNKNOWN
    return Origin.INHERITED if failed else Origin.CAUSED_HERE


def find_waiver_origin(
    verdict: Verdict, waivers: Collection[Waiver], known: Collection[Waiver]
) -> Verdict:
    """A failure of a waiver itself, caused here if the baseline, `known`, had none of its entry's.

    Other verdicts are left as they are.
    """
    if verdict.gate != WAIVERS_GATE or verdict.status is not Status.FAIL:
        return verdict
    mine = [waiver for waiver in waivers if waiver.entry == verdict.entry]
    new = not any(waiver in known for waiver in mine)
    return replace(verdict, origin=Origin.CAUSED_HERE if new else Origin.UNKNOWN)


def failed_at_baseline(gate: str, comparison: Comparison) -> bool | None:
    """Whether a gate that fails now failed at the baseline; None where that cannot be told."""
    find = FAILED.get(gate)
    try:
        failed = find(comparison) if find else None
        if failed is None and is_unchanged(comparison):
            return True
    except (Unmeasurable, OSError):
        return None
    return failed


# --- what a gate reads ----------------------------------------------------------------------------


def is_unchanged(comparison: Comparison) -> bool:
    """Whether all that any gate reads of the entry is as it was at the baseline.

    The images at the baseline are those that its record names.
    """
    now, was = comparison.now, comparison.was
    declared = (describe(now.entry.recipe), describe(now.entry.views))
    return (
        has_same_network(comparison)
        and was.budget == describe(now.entry.budget)
        and not changed_fields([was.recipe, was.views], list(declared))
        and was.runs == now.runs
        and was.trainings == now.trainings
        and has_same_images(comparison)
        and all(has_same_weights(comparison, seed) for seed in range(now.entry.budget.seeds))
    )


def has_same_network(comparison: Comparison) -> bool:
    """Whether the network is the baseline's, on the same data set.

    A network that is not what is traced may do the same or something else than it did.
    """
    now, was = comparison.now, comparison.was
    same = was.dataset == now.entry.dataset and was.network == now.network_digest
    return bool(was.network) and same and not now.inspection.misbehaviours


def has_same_images(comparison: Comparison) -> bool:
    """Whether the data set's images, and its split, are those that the baseline's record names."""
    now, was = comparison.now, comparison.was
    if was.dataset != now.entry.dataset or not was.trainings:
        return False
    train, val = now.split
    found = (train.digest, val.digest if len(val) else None, now.dataset.test.digest)
    digests = [run.digests for run in (*was.evidence.values(), *was.trainings)]
    return all((run.train, run.val, run.test) == found for run in digests)


def has_same_weights(comparison: Comparison, seed: int) -> bool:
    """Whether the weights files of a seed are, byte for byte, those at the baseline."""
    paths = comparison.now.weights_paths(seed)
    shipped = comparison.baseline.weights
    return all(shipped.get(path.name) == file_digest(path) for path in paths)


# --- what the baseline's sizes and record say -----------------------------------------------------


def _failed_params(comparison: Comparison) -> bool | None:
    was = comparison.was
    limit = was.budget["max_params"]
    if limit is None:
        return False
    if was.error or was.late is None:
        return None
    return was.late or was.params >= limit


def _failed_cost(comparison: Comparison) -> bool | None:
    was = comparison.was
    limits = {
        name: limit for name, limit in was.budget.items() if name in COSTS and limit is not None
    }
    if not set(limits) <= set(was.costs):
        return None
    return any(
        was.costs[name] < limit if name.startswith("min_") else was.costs[name] > limit
        for name, limit in limits.items()
    )


def _failed_seeds(comparison: Comparison) -> bool | None:
    was = comparison.was
    if not was.evidence:
        return None
    weights = [run.digests.weights for run in was.evidence.values()]
    whole = set(was.evidence) == set(range(was.budget["seeds"]))
    return not whole or len(set(weights)) < len(weights)


def _failed_epochs(comparison: Comparison) -> bool | None:
    was = comparison.was
    limit = was.budget["max_epochs"]
    if limit is None:
        return False
    if not was.trainings:
        return None
    epochs = [run.epochs for run in was.trainings]
    told = [count for count in epochs if count is not None]
    if len(told) < len(epochs):
        return None
    return max(told) >= limit or any(map(contradicts_history, was.trainings))


def _failed_structure(comparison: Comparison) -> bool | None:
    """By the network and what is required: a network that differs is not judged again."""
    same = comparison.was.budget["requires"] == describe(comparison.now.entry.budget.requires)
    return True if same and has_same_network(comparison) else None


def _failed_leak(comparison: Comparison) -> bool | None:
    """By the images, and what the data set declares of duplicates."""
    if list_teachers(comparison.now.entry):
        return None
    same = comparison.was.duplicates == describe_duplicates(comparison.now.entry.data)
    return True if same and has_same_images(comparison) else None


def _failed_accuracy(comparison: Comparison) -> bool | None:
    """By the misses that the record claims, and the images that it says were trained on."""
    was = comparison.was
    rules = {name: was.budget[name] for name in ACCURACY if was.budget[name] is not None}
    if not rules:
        return False
    seeds = range(was.budget["seeds"])
    if was.total is None or not set(seeds) <= set(was.misses):
        return None
    misses = {seed: was.misses[seed] for seed in seeds}
    verdict = judge_misses(misses, was.total, Budget(**rules, seeds=len(seeds)))
    if verdict.status is Status.FAIL:
        return True
    return False if has_same_images(comparison) else None


def _failed_chain(comparison: Comparison) -> bool | None:
    """By the seals, the digests and what was declared; then by whether the images are the same."""
    was, shipped = comparison.was, comparison.baseline.weights
    if any(run.seal != run.expected_seal() for run in was.runs):
        return True
    if not set(range(was.budget["seeds"])) <= set(was.evidence):
        return None
    for seed in range(was.budget["seeds"]):
        run = was.evidence[seed]
        if was.network and run.digests.network != was.network:
            return True
        if changed_fields([run.recipe, run.views], [was.recipe or {}, was.views]):
            return True
        taught = run.teacher.weights if run.teacher else {}
        if any(shipped.get(f"{stem}.safetensors", old) != old for stem, old in taught.items()):
            return True
        weights = shipped.get(f"{run.stem}.safetensors")
        if not was.members and weights not in (None, run.digests.weights):
            return True
        if not was.network or was.members or weights is None:
            return None
    return False if has_same_images(comparison) else None


def _failed_claim(comparison: Comparison) -> bool | None:
    """By the measurement here, where the network and weights that it is of are the baseline's."""
    now, was = comparison.now, comparison.was
    if not has_same_network(comparison):
        return None
    if changed_fields(was.views, describe(now.entry.views)):
        return None
    seeds = range(was.budget["seeds"])
    if not set(seeds) <= set(was.evidence) or not set(seeds) <= set(now.measurements):
        return None
    for seed in seeds:
        if not has_same_weights(comparison, seed):
            return None
        run = was.evidence[seed]
        found = reproduce(now, run)
        flips = find_flips(run, found.test) if fits(run, found.test) else []
        if any(find_contradictions(run, found, flips, now.platform)):
            return True
    return False


FAILED: dict[str, Callable[[Comparison], bool | None]] = {
    "params": _failed_params,
    "structure": _failed_structure,
    "cost": _failed_cost,
    "seeds": _failed_seeds,
    "epochs": _failed_epochs,
    "leak": _failed_leak,
    "chain": _failed_chain,
    "claim": _failed_claim,
    "accuracy": _failed_accuracy,
}
"""Whether a gate that fails now failed at the baseline, by what is known of it there.

Any gate that is not here is settled where nothing has changed at all.
"""
