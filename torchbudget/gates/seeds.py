"""The declared seeds, all of them and no others."""

from torchbudget.declare.entry import Entry
from torchbudget.errors import Unmeasurable
from torchbudget.gates.observation import Observation
from torchbudget.report.verdict import Status, Verdict


def judge_seeds(entry: Entry, seen: Observation) -> Verdict:
    """There is evidence of exactly the seeds 0..n-1 that the budget declares.

    Why: whoever may choose among twenty runs can report luck as skill. The seeds are declared before they are run, and all of them count.

    Fails: `seeds=5` with evidence of 0, 1, 2 and 4; `seeds=1` with evidence of 0 and 7; seed 3's run again under the name of seed 0.

    Passes: `seeds=5` with evidence of 0, 1, 2, 3 and 4, however they came out.
    """
    declared, found = set(range(entry.budget.seeds)), set(seen.evidence)
    weights = [run.digests.weights for run in seen.evidence.values()]
    twins = [seed for seed, run in seen.evidence.items() if weights.count(run.digests.weights) > 1]
    missing, extra = sorted(declared - found), sorted(found - declared)
    if not found:
        raise Unmeasurable(
            f"no evidence on {entry.dataset}", f"make train ENTRY={entry.name} SEED=0"
        )
    return Verdict(
        gate="seeds",
        status=Status.FAIL if missing or extra or twins else Status.PASS,
        observed=f"seeds {', '.join(map(str, sorted(found)))}"
        + (
            f"; {sorted(twins)} have the same weights, one run under several names" if twins else ""
        ),
        expected=f"seeds 0 to {entry.budget.seeds - 1}" if entry.budget.seeds > 1 else "seed 0",
        difference=" ".join(
            [f"missing {missing}"] * bool(missing) + [f"extra {extra}"] * bool(extra)
        ),
        field="seeds",
        remedy=f"make train ENTRY={entry.name} SEED={missing[0]}"
        if missing
        else "declare every seed that was run: a seed left out is a seed picked",
    )
