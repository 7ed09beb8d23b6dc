"""Leakage: no test image among the training images, equal or near.

What "near" is, and what it misses, is said in `torchbudget.data.likeness`.
"""

from collections.abc import Iterator

from torchbudget.data.likeness import Likeness, compare, is_known_duplicate
from torchbudget.declare.entry import Entry
from torchbudget.declare.teaching import TrainedNetwork, list_teachers
from torchbudget.evidence.results import run_stem
from torchbudget.gates.observation import Observation, split_once
from torchbudget.report.verdict import Status, Verdict

SHOWN = 5
REMEDY = (
    "take these images out of the training set, give the data set a name of its own, and train "
    "again"
)
REMEDY_FOR_TEACHERS = (
    "let the teacher hold out at least as many val images of the same data set, train it again, "
    "then what it teaches"
)


def judge_leak(entry: Entry, observation: Observation) -> Verdict:
    """No test image is among the images trained on or chosen by, neither equal nor near.

    What taught the network was trained on none of its val and test images either, nor was what
    taught its teacher: on the same data set, with at least as many val images held out.

    Why: a network that has seen the test images recalls them; its accuracy says nothing about
    images that it has not seen. A teacher hands on what it has seen.

    Fails: a training set into which a hundred test images were mixed, moved by a pixel and a little
    darker. A teacher that held out fewer val images, or whose record names other training images.

    Passes: a data set as published, whose nearest pair across train and test is below the limit:
    the one that the data set declares, or one that its training images set among themselves.
    """
    dataset = observation.dataset
    seen = list(find_seen(entry, observation))
    comparison = compare(entry.data, dataset)
    leaked = [
        likeness
        for likeness in comparison.ranked
        if likeness.cosine >= comparison.limit
        and not is_known_duplicate(entry.data, dataset, likeness)
    ]
    details = (*map(describe, leaked[:SHOWN] or comparison.ranked[:1]), *seen)
    more = f" and {len(leaked) - SHOWN:,} more" if len(leaked) > SHOWN else ""
    shown = f"{len(comparison.ranked):,} test images, {details[0]}"
    known = len(entry.data.known_duplicates)
    spared = f", but for the {known} pairs that {entry.dataset} is known to have" if known else ""
    return Verdict(
        gate="leak",
        status=Status.FAIL if leaked or seen else Status.PASS,
        observed="; ".join((details if leaked else tuple(seen)) or (shown,)) + more,
        expected=f"every cosine below {comparison.limit:.4g}{spared}",
        difference=f"{len(leaked):,} test images leaked" if leaked else "",
        field="data",
        remedy=REMEDY if leaked or not seen else REMEDY_FOR_TEACHERS,
        details=details,
    )


def describe(likeness: Likeness) -> str:
    return f"test #{likeness.test} is like training #{likeness.train}: cosine {likeness.cosine:.4f}"


def find_seen(entry: Entry, observation: Observation) -> Iterator[str]:
    """Which of the networks that taught may have been trained on val or test images of `entry`.

    The val images are the first of one permutation of the training images, so a teacher that holds
    out as many or more has seen none. Raises `Unmeasurable` where its record is missing.
    """
    for teacher in list_teachers(entry):
        for reason in _find_seen_by(teacher, entry, observation):
            name = run_stem(teacher[0].name, teacher[1], teacher[0].dataset, [])
            yield f"{name}, which taught it, {reason}"


def _find_seen_by(network: TrainedNetwork, entry: Entry, observation: Observation) -> Iterator[str]:
    teacher, _ = network
    if teacher.dataset != entry.dataset:
        yield f"was trained on {teacher.dataset}, not on {entry.dataset}"
        return
    if teacher.val_images < entry.val_images:
        seen = entry.val_images - teacher.val_images
        yield f"was trained on {seen:,} of the {entry.val_images:,} val images"
        return
    train, _ = split_once(observation.dataset, teacher.val_images)
    if observation.run_of_teacher(network).digests.train != train.digest:
        yield f"was trained on other images than {teacher.dataset} gives its recipe"
