"""The chain of digests: network, recipe, data, weights and record."""

from collections.abc import Iterator

from torchbudget.declare.entry import Entry, changed_fields, describe
from torchbudget.errors import Unmeasurable
from torchbudget.evidence.files import file_digest
from torchbudget.evidence.results import Run
from torchbudget.evidence.weights import weights_digest
from torchbudget.gates.observation import Observation
from torchbudget.report.verdict import Status, Verdict

Link = tuple[Run, str]
"""A run, and what of it no longer fits."""


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
        observed="; ".join(f"seed {run.seed}: {link}" for run, link in links)
        or "every digest agrees",
        expected="network, recipe, data, weights and record as they were when it ran",
        difference="STALE" if links else "",
        remedy=_renewal(entry, links[0][0]) if links else "",
        details=tuple(
            f"seed {run.seed}: {link}; renew it: {_renewal(entry, run)}" for run, link in links
        ),
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
            yield (
                run,
                f"the record {run.stem} in results.json was changed after it was written (its seal does not fit)",
            )


def _other_networks(entry: Entry, seen: Observation) -> Iterator[Link]:
    for run in _declared_runs(entry, seen):
        if run.digests.network != seen.network_digest:
            yield (
                run,
                f"the network computes something else now ({run.digests.network[:12]} recorded, {seen.network_digest[:12]} found)",
            )


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
            yield (
                run,
                f"{name} is not the file that was recorded ({run.digests.weights[:12]} recorded, {found[:12]} found)",
            )
    if entry.voters:
        for path, run in zip(seen.weights_paths(0), seen.trainings, strict=True):
            if file_digest(path) != run.digests.weights:
                yield run, f"{path.name} is not the file that {run.entry}'s record names"


def _other_images(entry: Entry, seen: Observation) -> Iterator[Link]:
    train, val = seen.split
    for run in {run.stem: run for run in (*_declared_runs(entry, seen), *seen.trainings)}.values():
        for name, images, digest in (
            ("training", train, run.digests.train),
            ("val", val, run.digests.val),
            ("test", seen.dataset.test, run.digests.test),
        ):
            if (images.digest if len(images) else None) != digest:
                yield run, f"the {name} images of {entry.dataset} are others than those recorded"
