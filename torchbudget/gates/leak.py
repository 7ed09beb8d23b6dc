"""Leakage: no test image among the training images, equal or near.

What "near" is, and what it misses, is said in `torchbudget.data.likeness`.
"""

from torchbudget.data.likeness import Likeness, compare, is_known_duplicate
from torchbudget.declare.entry import Entry
from torchbudget.gates.observation import Observation
from torchbudget.report.verdict import Status, Verdict

SHOWN = 5


def judge_leak(entry: Entry, observation: Observation) -> Verdict:
    """No test image is among the images trained on or chosen by, neither equal nor near.

    Why: a network that has seen the test images recalls them; its accuracy says nothing about
    images that it has not seen.

    Fails: a training set into which a hundred test images were mixed, moved by a pixel and a little
    darker.

    Passes: a data set as published, whose nearest pair across train and test is below the limit:
    the one that the data set declares, or one that its training images set among themselves.
    """
    dataset = observation.dataset
    comparison = compare(entry.data, dataset)
    leaked = [
        likeness
        for likeness in comparison.ranked
        if likeness.cosine >= comparison.limit
        and not is_known_duplicate(entry.data, dataset, likeness)
    ]
    details = tuple(map(describe, leaked[:SHOWN] or comparison.ranked[:1]))
    more = f" and {len(leaked) - SHOWN:,} more" if len(leaked) > SHOWN else ""
    shown = f"{len(comparison.ranked):,} test images, {details[0]}"
    known = len(entry.data.known_duplicates)
    spared = f", but for the {known} pairs that {entry.dataset} is known to have" if known else ""
    return Verdict(
        gate="leak",
        status=Status.FAIL if leaked else Status.PASS,
        observed="; ".join(details) + more if leaked else shown,
        expected=f"every cosine below {comparison.limit:.4g}{spared}",
        difference=f"{len(leaked):,} test images leaked" if leaked else "",
        field="data",
        remedy="take these images out of the training set, give the data set a name of its own, "
        "and train again",
        details=details,
    )


def describe(likeness: Likeness) -> str:
    return f"test #{likeness.test} is like training #{likeness.train}: cosine {likeness.cosine:.4f}"
