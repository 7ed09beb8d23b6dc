"""The record against the world: seeds, epochs, the chain of digests, the claim and the accuracy re-measured from the weights."""

import math
import statistics

from gates.observation import Observation, Unmeasurable
from utils.checkpoint import file_digest
from utils.data import split_train_val
from utils.entry import Entry, changed_fields, describe
from utils.evaluate import Measurement
from utils.evidence import Run
from utils.verdict import Status, Verdict

MAX_FLIPS_ELSEWHERE = 2
"""Predictions that may differ on other hardware than the record's; none may on the same."""


def judge_seeds(entry: Entry, seen: Observation) -> Verdict:
    """There is evidence of exactly the seeds 0..n-1 that the budget declares."""
    declared, found = set(range(entry.budget.seeds)), set(seen.evidence)
    missing, extra = sorted(declared - found), sorted(found - declared)
    if not found:
        raise Unmeasurable(f"no evidence on {entry.dataset}", f"make train ENTRY={entry.name} SEED=0")
    return Verdict(
        gate="seeds",
        status=Status.FAIL if missing or extra else Status.PASS,
        observed=f"seeds {', '.join(map(str, sorted(found)))}",
        expected=f"seeds 0 to {entry.budget.seeds - 1}" if entry.budget.seeds > 1 else "seed 0",
        difference=" ".join([f"missing {missing}"] * bool(missing) + [f"extra {extra}"] * bool(extra)),
        field="seeds",
        remedy=f"make train ENTRY={entry.name} SEED={missing[0]}" if missing else "declare every seed that was run: a seed left out is a seed picked",
    )


def judge_epochs(entry: Entry, seen: Observation) -> Verdict:
    """Passes over the training images, counted from the optimiser's steps, are fewer than `budget.max_epochs` and as many as recorded."""
    runs = _declared_runs(entry, seen)
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
    """Network as computed, recipe, data, weights and record still belong together; the verdict names the link that broke."""
    broken = [f"seed {run.seed}: {link}" for run in _declared_runs(entry, seen) for link in _broken_links(entry, seen, run)]
    return Verdict(
        gate="chain",
        status=Status.FAIL if broken else Status.PASS,
        observed="; ".join(broken) or "every digest agrees",
        expected="network, recipe, data, weights and record as they were when it ran",
        difference="STALE" if broken else "",
        remedy=f"make train ENTRY={entry.name} SEED={broken[0].split(':')[0].removeprefix('seed ')}" if broken else "",
        details=tuple(broken),
    )


def judge_claim(entry: Entry, seen: Observation) -> Verdict:
    """The record's misses, confusion matrix and predictions are what the weights give here; a few images may flip on other hardware."""
    runs = _declared_runs(entry, seen)
    reasons = [f"seed {run.seed}: {reason}" for run in runs if (reason := _false_claim(run, seen))]
    flipped = max(len(_flips(run, seen.measure(run.seed))) for run in runs)
    return Verdict(
        gate="claim",
        status=Status.FAIL if reasons else Status.PASS,
        observed="; ".join(reasons) or f"{len(runs)} runs re-measured, at most {flipped} predictions differ",
        expected="the recorded predictions, image by image",
        remedy=f"make train ENTRY={entry.name}: a record is written by a run, never by hand",
    )


def _false_claim(run: Run, seen: Observation) -> str:
    """How the record differs from the measurement by more than the hardware may; "" where it does not."""
    found = seen.measure(run.seed)
    flips = _flips(run, found)
    allowed = 0 if (run.hardware.device, run.versions.get("torch", "")) == seen.platform else MAX_FLIPS_ELSEWHERE
    counts = f"recorded {run.test.misses} misses of {run.test.total}, found {found.misses} of {found.total}"
    if len(flips) > allowed:
        return f"{counts}; {len(flips)} predictions differ, {allowed} may: {_list_flips(flips)}"
    if not flips and (run.test.total, run.confusion, run.digests.predictions) != (found.total, found.confusion, found.digest):
        return f"{counts}; the confusion matrix or the predictions' digest is another"
    return ""


def judge_accuracy(entry: Entry, seen: Observation) -> Verdict:
    """Every declared seed's weights miss at most `budget.max_misses` of the test images, re-measured here."""
    misses = {run.seed: seen.measure(run.seed).misses for run in _declared_runs(entry, seen)}
    worst = max(misses, key=misses.get)
    limit, total = entry.budget.max_misses, seen.measure(worst).total
    spread = f", mean {statistics.mean(misses.values()):.1f}, sd {statistics.stdev(misses.values()):.1f}, n {len(misses)}" if len(misses) > 1 else ""
    return Verdict(
        gate="accuracy",
        status=Status.FAIL if misses[worst] > limit else Status.PASS,
        observed=f"worst seed {worst}: {misses[worst]} of {total:,} ({1 - misses[worst] / total:.2%} right){spread}",
        expected=f"at most {limit} misses for every seed",
        difference=f"{misses[worst] - limit:+d}",
        field="max_misses",
        remedy="improve the network or the recipe, judged on val",
    )


def _declared_runs(entry: Entry, seen: Observation) -> list[Run]:
    """The evidence of every declared seed; raises `Unmeasurable` where one is missing."""
    return [seen.run_of(seed) for seed in range(entry.budget.seeds)]


def _broken_links(entry: Entry, seen: Observation, run: Run) -> list[str]:
    links = []
    if run.seal != run.expected_seal():
        links.append("the record was changed after it was written (its seal does not fit)")
    if run.digests.network != seen.network_digest:
        links.append(f"the network computes something else now ({run.digests.network[:12]} recorded, {seen.network_digest[:12]} found)")
    links += [f"recipe.{field}: {was!r} recorded, {now!r} in the zoo" for field, was, now in changed_fields(run.recipe, describe(entry.recipe))]
    path = seen.weights_path(run.seed)
    if not path.is_file():
        raise Unmeasurable(f"{path} is missing", f"make train ENTRY={entry.name} SEED={run.seed}")
    if (found := file_digest(path)) != run.digests.weights:
        links.append(f"{path.name} is not the file that was recorded ({run.digests.weights[:12]} recorded, {found[:12]} found)")
    train, val = split_train_val(seen.dataset, entry.recipe.val_images)
    for name, images, digest in (("training", train, run.digests.train), ("val", val, run.digests.val), ("test", seen.dataset.test, run.digests.test)):
        if (images.digest if len(images) else None) != digest:
            links.append(f"the {name} images are others than those recorded")
    return links


def _flips(run: Run, found: Measurement) -> list[tuple[int, int, int]]:
    """(index, recorded, found) of each test image whose prediction differs."""
    recorded = found.labels.clone()
    for index, digit in run.missed.items():
        recorded[int(index)] = digit
    differing = (recorded != found.predictions).nonzero().flatten().tolist()
    return [(index, int(recorded[index]), int(found.predictions[index])) for index in differing]


def _list_flips(flips: list[tuple[int, int, int]]) -> str:
    shown = ", ".join(f"#{index} {was}->{now}" for index, was, now in flips[:5])
    return shown + (f" and {len(flips) - 5} more" if len(flips) > 5 else "")
