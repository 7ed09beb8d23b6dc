"""The record against the world: seeds, epochs, and the chain of digests. What the weights give is judged in `gates.accuracy`."""

import math
from collections.abc import Iterator

from gates.observation import Observation, Unmeasurable
from utils.checkpoint import file_digest
from utils.entry import Entry, changed_fields, describe
from utils.evidence import Run
from utils.shipped import weights_digest
from utils.verdict import Status, Verdict

Link = tuple[Run, str]
"""A run, and what of it no longer fits."""


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
        raise Unmeasurable(f"no evidence on {entry.dataset}", f"make train ENTRY={entry.name} SEED=0")
    return Verdict(
        gate="seeds",
        status=Status.FAIL if missing or extra or twins else Status.PASS,
        observed=f"seeds {', '.join(map(str, sorted(found)))}" + (f"; {sorted(twins)} have the same weights, one run under several names" if twins else ""),
        expected=f"seeds 0 to {entry.budget.seeds - 1}" if entry.budget.seeds > 1 else "seed 0",
        difference=" ".join([f"missing {missing}"] * bool(missing) + [f"extra {extra}"] * bool(extra)),
        field="seeds",
        remedy=f"make train ENTRY={entry.name} SEED={missing[0]}" if missing else "declare every seed that was run: a seed left out is a seed picked",
    )


def judge_epochs(entry: Entry, seen: Observation) -> Verdict:
    """Passes over the training images, counted from the optimiser's steps, are fewer than `budget.max_epochs` and as many as recorded.

    Why: an "epoch" is whatever a loop calls one. Steps x batch / training images is what was trained.

    Fails: 18 rows of history with steps for 54 passes; or 20 epochs with `max_epochs=20`.

    Passes: 18 rows of history and 7,722 steps of 128 of 55,000 images, 17.97 epochs, with `max_epochs=20`.
    """
    runs = seen.trainings
    most = max(runs, key=lambda run: run.epochs)
    limit = entry.budget.max_epochs
    reasons = [
        f"seed {run.seed}: {len(run.history)} epochs in the history, {run.epochs:.2f} from its steps"
        for run in runs
        if len(run.history) != math.ceil(run.epochs - 1e-9)
    ]
    if most.epochs >= limit:
        reasons.append(f"seed {most.seed}: {most.steps:,} steps x {most.batch_size} / {most.train_images:,} images = {most.epochs:.2f} epochs")
    return Verdict(
        gate="epochs",
        status=Status.FAIL if reasons else Status.PASS,
        observed="; ".join(reasons) or f"{most.epochs:.2f} ({most.steps:,} steps x {most.batch_size} / {most.train_images:,} images)",
        expected=f"fewer than {limit}, one row of history each",
        difference=f"{most.epochs - limit:+.2f}",
        field="max_epochs",
        remedy=f"shorten recipe.epochs and train again: make train ENTRY={entry.name}",
    )


def judge_chain(entry: Entry, seen: Observation) -> Verdict:
    """Network as computed, recipe, data, weights and record still belong together; the verdict names each link that broke.

    Why: a number belongs to one network, recipe, data set and file of weights. Change any of them and it is the number of something
    that no longer exists. Every record of the entry must carry its seal, whether or not it counts as evidence.

    Fails: a layer widened, `max_lr` changed or a digit edited in `results.json` after the run: STALE, until it is trained again.

    Passes: comments, formatting and names in the source change as they like, for they change nothing that is computed.
    """
    links, unmeasured = [], []
    for find in (_broken_seals, _other_networks, _other_recipes, _other_weights, _other_images):
        try:
            for link in find(entry, seen):
                links.append(link)
        except Unmeasurable as error:
            unmeasured.append(error)
    if unmeasured and not links:
        raise unmeasured[0]
    return Verdict(
        gate="chain",
        status=Status.FAIL if links else Status.PASS,
        observed="; ".join(f"seed {run.seed}: {link}" for run, link in links) or "every digest agrees",
        expected="network, recipe, data, weights and record as they were when it ran",
        difference="STALE" if links else "",
        remedy=_renewal(entry, links[0][0]) if links else "",
        details=tuple(f"seed {run.seed}: {link}; renew it: {_renewal(entry, run)}" for run, link in links),
    )


def _renewal(entry: Entry, run: Run) -> str:
    if run.overrides or run.dataset != entry.dataset or run.seed >= entry.budget.seeds:
        return "restore results.json from git"
    return f"make train ENTRY={entry.name} SEED={run.seed}"


def _declared_runs(entry: Entry, seen: Observation) -> Iterator[Run]:
    """The evidence of every declared seed; raises `Unmeasurable` at one that is missing."""
    return (seen.run_of(seed) for seed in range(entry.budget.seeds))


def _broken_seals(entry: Entry, seen: Observation) -> Iterator[Link]:
    for run in seen.runs:
        if run.seal != run.expected_seal():
            yield run, f"the record {run.stem} in results.json was changed after it was written (its seal does not fit)"


def _other_networks(entry: Entry, seen: Observation) -> Iterator[Link]:
    for run in _declared_runs(entry, seen):
        if run.digests.network != seen.network_digest:
            yield run, f"the network computes something else now ({run.digests.network[:12]} recorded, {seen.network_digest[:12]} found)"


def _other_recipes(entry: Entry, seen: Observation) -> Iterator[Link]:
    for run in _declared_runs(entry, seen):
        for field, was, now in changed_fields(run.recipe, describe(entry.recipe)):
            yield run, f"recipe.{field}: {was!r} recorded, {now!r} in the zoo"
        if run.views != (views := describe(entry.views)):
            yield run, f"views: {run.views} recorded, {views} in the zoo"


def _other_weights(entry: Entry, seen: Observation) -> Iterator[Link]:
    for run in _declared_runs(entry, seen):
        paths = seen.weights_paths(run.seed)
        if missing := [path for path in paths if not path.is_file()]:
            raise Unmeasurable(f"{missing[0]} is missing", _renewal(entry, run))
        if (found := weights_digest(paths)) != run.digests.weights:
            name = paths[0].name if len(paths) == 1 else "what the members ship"
            yield run, f"{name} is not the file that was recorded ({run.digests.weights[:12]} recorded, {found[:12]} found)"
    if entry.voters:
        for path, run in zip(seen.weights_paths(0), seen.trainings, strict=True):
            if file_digest(path) != run.digests.weights:
                yield run, f"{path.name} is not the file that {run.entry}'s record names"


def _other_images(entry: Entry, seen: Observation) -> Iterator[Link]:
    train, val = seen.split
    for run in {run.stem: run for run in (*_declared_runs(entry, seen), *seen.trainings)}.values():
        for name, images, digest in (("training", train, run.digests.train), ("val", val, run.digests.val), ("test", seen.dataset.test, run.digests.test)):
            if (images.digest if len(images) else None) != digest:
                yield run, f"the {name} images of {entry.dataset} are others than those recorded"
