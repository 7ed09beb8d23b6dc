"""The declared seeds: evidence of all of them, and of no others."""

from collections.abc import Iterator
from pathlib import Path

from safetensors import SafetensorError

from torchbudget.declare.entry import Ensemble, Entry
from torchbudget.errors import Unmeasurable, WeightsError
from torchbudget.evidence.results import Run
from torchbudget.evidence.weights_file import LearnedTensors
from torchbudget.gates.observation import Observation
from torchbudget.report.verdict import Status, Verdict


def judge_seeds(entry: Entry, observation: Observation) -> Verdict:
    """There is evidence of exactly the seeds 0..n-1 that the budget declares, each its own run.

    Why: whoever may choose among twenty runs can report luck as skill. The seeds are declared
    before they are run, and all of them count. Two runs whose weights are all but equal are one,
    whatever their files' names, precision or order of channels, and whichever entry they are of.

    Fails: `seeds=5` with evidence of 0, 1, 2 and 4; `seeds=1` with evidence of 0 and 7; seed 3's
    run again under the name of seed 0, rounded or with a little noise.

    Passes: `seeds=5` with evidence of 0, 1, 2, 3 and 4, however they came out.
    """
    declared = set(range(entry.budget.seeds))
    recorded = set(observation.evidence)
    if not recorded:
        raise Unmeasurable(f"no evidence on {entry.dataset}", observation.renewal())
    missing, extra = sorted(declared - recorded), sorted(recorded - declared)
    twins = list(find_twins(entry, observation))
    observed = f"seeds {', '.join(map(str, sorted(recorded)))}"
    if twins:
        observed += f"; {'; '.join(twins)}: one run under several names"
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


def find_twins(entry: Entry, observation: Observation) -> Iterator[str]:
    """Which runs of the entry have the same weights as another run, of the same entry or not.

    An ensemble has none of its own, and what it measures is its members'. Weights files that are
    missing or cannot be read are the chain's to name.
    """
    if isinstance(entry, Ensemble):
        return
    own = list(observation.evidence.values())
    stems = {run.stem for run in own}
    strangers = [run for run in observation.sources.runs if run.stem not in stems]
    fixed = find_fixed(observation)
    folder = observation.sources.weights
    tensors = {run.stem: read_tensors(folder, run, fixed) for run in own}
    for number, run in enumerate(own):
        for other in (*own[number + 1 :], *strangers):
            if run.params != other.params:
                continue  # another network, or the claim gate's to name
            if other.stem not in tensors:
                tensors[other.stem] = read_tensors(folder, other, fixed)
            mine = tensors[run.stem]
            its = tensors[other.stem]
            same = run.digests.weights == other.digests.weights
            if same or (mine is not None and its is not None and mine.is_nearly(its)):
                yield f"{run.stem} and {other.stem} have the same weights"


def find_fixed(observation: Observation) -> frozenset[str]:
    """The names of the network's tensors that training does not move."""
    try:
        network = observation.network
    except Unmeasurable:
        return frozenset()
    return frozenset(name for name, kept in network.names.items() if kept not in network.trainable)


def read_tensors(folder: Path, run: Run, fixed: frozenset[str]) -> LearnedTensors | None:
    """What training moved in the run's weights file; None where it cannot be read."""
    try:
        return LearnedTensors(folder / f"{run.stem}.safetensors", fixed)
    except (SafetensorError, OSError, WeightsError):
        return None
