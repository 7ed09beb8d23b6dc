"""The chain of digests: network, recipe, data, weights and record."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from torchbudget.declare.entry import Ensemble, Entry, changed_fields, describe
from torchbudget.declare.teaching import TaughtBy, find_teacher
from torchbudget.errors import Unmeasurable
from torchbudget.evidence.files import file_digest
from torchbudget.evidence.results import ImageRecord, Run, run_stem
from torchbudget.evidence.together import find_staged
from torchbudget.evidence.weights import weights_digest
from torchbudget.evidence.weights_file import find_odd_content
from torchbudget.gates.observation import Observation
from torchbudget.report.verdict import Status, Verdict

Link = tuple[Run, str]
"""A run, and what of it no longer fits."""


def judge_chain(entry: Entry, observation: Observation) -> Verdict:
    """Network as computed, recipe, data, weights and record still belong together.

    The verdict names each link that broke.

    Why: a number belongs to one network, recipe, data set and file of weights. Change any of them
    and it is the number of something that no longer exists. Every record of the entry must carry
    its seal, whether or not it counts as evidence. A weights file holds the network's tensors in
    the declared precision and nothing else, so that nothing hides in it. A network that another one
    taught belongs to the weights that taught it, too.

    Fails: a layer widened, `max_lr` changed or a number edited in `results.json` after the run:
    STALE, until it is trained again. A field that the recipe does not know; a weights file that,
    loaded and saved again, is other bytes. A teacher that was trained again since.

    Passes: comments, formatting and names in the source change as they like, for they change
    nothing that is computed.
    """
    links: list[Link] = []
    unmeasured: list[Unmeasurable] = []
    for find in (
        find_broken_seals,
        find_other_networks,
        find_other_recipes,
        find_other_weights,
        find_odd_weights,
        find_other_images,
        find_other_teachers,
    ):
        try:
            for link in find(entry, observation):
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
        remedy=renew(entry, observation, links[0][0]) if links else "",
        details=tuple(
            f"seed {run.seed}: {link}; renew it: {renew(entry, observation, run)}"
            for run, link in links
        ),
    )


def renew(entry: Entry, observation: Observation, run: Run) -> str:
    """How to make the run's record fit again."""
    if run.overrides or run.dataset != entry.dataset or run.seed >= entry.budget.seeds:
        return "restore results.json from git"
    return observation.renewal(run.seed)


def declared_runs(entry: Entry, observation: Observation) -> Iterator[Run]:
    """The evidence of every declared seed; raises `Unmeasurable` at one that is missing."""
    return (observation.run_of(seed) for seed in range(entry.budget.seeds))


def find_broken_seals(entry: Entry, observation: Observation) -> Iterator[Link]:
    for run in observation.runs:
        if run.seal != run.expected_seal():
            yield (
                run,
                f"the record {run.stem} in results.json was changed after it was written "
                "(its seal does not fit)",
            )


def find_other_networks(entry: Entry, observation: Observation) -> Iterator[Link]:
    for run in declared_runs(entry, observation):
        found = observation.network_digest
        if run.digests.network != found:
            yield (
                run,
                "the network computes something else now "
                f"({run.digests.network[:12]} recorded, {found[:12]} found)",
            )


def find_other_recipes(entry: Entry, observation: Observation) -> Iterator[Link]:
    declared = describe(entry.recipe) or {}
    views = describe(entry.views)
    for run in declared_runs(entry, observation):
        for field, was, now in changed_fields(run.recipe, declared):
            yield run, f"recipe.{field}: {was!r} recorded, {now!r} in the zoo"
        for field in find_unknown_fields(run.recipe, declared, "recipe"):
            yield run, f"{field} is recorded, the zoo's has no such value"
        if changed_fields(run.views, views):
            yield run, f"views: {run.views} recorded, {views} in the zoo"
        for field in find_unknown_fields(run.views, views, "views"):
            yield run, f"{field} is recorded, the zoo's has no such value"


def find_unknown_fields(was: Any, now: Any, path: str) -> Iterator[str]:
    """Where `was` has a field that `now` lacks, be it null, or a truth value in a number's place.

    Both are declarations as plain JSON, `path` is where they stand. A field that `was` lacks is no
    difference: it was recorded before its kind had it. Numbers are compared by their value.
    """
    if isinstance(was, dict) and isinstance(now, dict):
        for name, value in was.items():
            if name not in now:
                yield f"{path}.{name}"
            else:
                yield from find_unknown_fields(value, now[name], f"{path}.{name}")
    elif isinstance(was, list) and isinstance(now, list):
        for index, (value, other) in enumerate(zip(was, now, strict=False)):
            yield from find_unknown_fields(value, other, f"{path}[{index}]")
    elif isinstance(was, bool) != isinstance(now, bool):
        yield f"{path} = {json.dumps(was)}"


def find_other_weights(entry: Entry, observation: Observation) -> Iterator[Link]:
    for run in declared_runs(entry, observation):
        paths = observation.weights_paths(run.seed)
        for path in paths:
            if not path.is_file():
                raise Unmeasurable(f"{path} is missing", renew(entry, observation, run))
        found = weights_digest(paths)
        if found != run.digests.weights:
            name = paths[0].name if len(paths) == 1 else "what the members ship"
            yield (
                run,
                f"{name} is not the file that was recorded "
                f"({run.digests.weights[:12]} recorded, {found[:12]} found)"
                f"{describe_staged(paths, run)}",
            )
    if isinstance(entry, Ensemble):
        for path, run in zip(observation.weights_paths(0), observation.trainings, strict=True):
            if file_digest(path) != run.digests.weights:
                yield run, f"{path.name} is not the file that {run.entry}'s record names"


def describe_staged(paths: list[Path], run: Run) -> str:
    """Where a recording was killed before it ended: the file that holds the recorded weights."""
    staged = find_staged(paths[0], run.digests.weights) if len(paths) == 1 else None
    if staged is None:
        return ""
    return f"; {staged.name} is, left by a recording that was killed: move it there"


def find_odd_weights(entry: Entry, observation: Observation) -> Iterator[Link]:
    """Weights files that hold anything but the network's tensors, each once.

    An ensemble ships none of its own.
    """
    if isinstance(entry, Ensemble):
        return
    expected = observation.network.state_dict
    for run in declared_runs(entry, observation):
        (path,) = observation.weights_paths(run.seed)
        if not path.is_file():
            continue  # named above
        reason = find_odd_content(path.read_bytes(), expected, entry.stored)
        if reason:
            yield run, f"{path.name} {reason}"


def find_other_images(entry: Entry, observation: Observation) -> Iterator[Link]:
    train, val = observation.split
    test = observation.dataset.test
    image = ImageRecord.of(observation.dataset.image)
    runs = {run.stem: run for run in declared_runs(entry, observation)}
    runs |= {run.stem: run for run in observation.trainings}
    for run in runs.values():
        for name, images, count, recorded in (
            ("training", train, run.train_images, run.digests.train),
            ("val", val, run.val_images, run.digests.val),
            ("test", test, run.test.total, run.digests.test),
        ):
            if (images.digest if len(images) else None) != recorded:
                yield run, f"the {name} images of {entry.dataset} are others than those recorded"
            if len(images) != count:
                yield run, f"{count:,} {name} images recorded, {entry.dataset} has {len(images):,}"
        if run.form != image:
            yield (
                run,
                f"the images of {entry.dataset} have another form or normalisation: "
                f"{run.form} recorded, {image} found",
            )


def find_other_teachers(entry: Entry, observation: Observation) -> Iterator[Link]:
    """Records that name another teacher than the recipe, or weights that are others by now."""
    teacher = find_teacher(entry)
    for run in declared_runs(entry, observation):
        was = run.teacher
        if was and teacher:
            for link in _compare_teacher(was.weights, teacher, observation):
                yield run, link
        recorded = was.entry if was else "none"
        declared = teacher.entry.name if teacher else "none"
        if recorded != declared:
            yield run, f"teacher: {recorded} recorded, {declared} in the zoo"


def _compare_teacher(
    recorded: dict[str, str], teacher: TaughtBy, observation: Observation
) -> Iterator[str]:
    """How the weights that taught, recorded by their runs' names, differ from what ships."""
    networks = {
        run_stem(member.name, seed, member.dataset, []): (member, seed)
        for member, seed in teacher.networks
    }
    if list(recorded) != list(networks):
        yield f"taught by {', '.join(recorded)}, the zoo declares {', '.join(networks)}"
        return
    for stem, (member, seed) in networks.items():
        path = observation.path_of_teacher((member, seed))
        if not path.is_file():
            raise Unmeasurable(f"{path} is missing", observation.sources.renewal(member.name, seed))
        found = file_digest(path)
        if found != recorded[stem]:
            yield (
                f"its teacher {stem} has other weights now "
                f"({recorded[stem][:12]} recorded, {found[:12]} found)"
            )
        elif observation.run_of_teacher((member, seed)).digests.weights != found:
            yield f"{path.name}, which taught it, is not the file that {member.name}'s record names"
