"""The declared seeds: evidence of all of them, and of no others."""

from torchbudget.declare.entry import Entry
from torchbudget.errors import Unmeasurable
from torchbudget.gates.observation import Observation
from torchbudget.report.verdict import Status, Verdict


def judge_seeds(entry: Entry, observation: Observation) -> Verdict:
    """There is evidence of exactly the seeds 0..n-1 that the budget declares.

    Why: whoever may choose among twenty runs can report luck as skill. The seeds are declared
    before they are run, and all of them count.

    Fails: `seeds=5` with evidence of 0, 1, 2 and 4; `seeds=1` with evidence of 0 and 7; seed 3's
    run again under the name of seed 0.

    Passes: `seeds=5` with evidence of 0, 1, 2, 3 and 4, however they came out.
    """
    declared = set(range(entry.budget.seeds))
    recorded = set(observation.evidence)
    if not recorded:
        raise Unmeasurable(f"no evidence on {entry.dataset}", observation.renewal())
    missing, extra = sorted(declared - recorded), sorted(recorded - declared)
    weights = [run.digests.weights for run in observation.evidence.values()]
    twins = sorted(
        seed for seed, run in observation.evidence.items() if weights.count(run.digests.weights) > 1
    )
    observed = f"seeds {', '.join(map(str, sorted(recorded)))}"
    if twins:
        observed += f"; {twins} have the same weights, one run under several names"
    differences = [
        f"{word} {seeds}" for word, seeds in (("missing", missing), ("extra", extra)) if seeds
    ]
    remedy = "declare every seed that was run: a seed left out is a seed picked"
    return Verdict(
        gate="seeds",
        status=Status.FAIL if missing or extra or twins else Status.PASS,
        observed=observed,
        expected=f"seeds 0 to {entry.budget.seeds - 1}" if entry.budget.seeds > 1 else "seed 0",
        difference=" ".join(differences),
        field="seeds",
        remedy=observation.renewal(missing[0]) if missing else remedy,
    )
