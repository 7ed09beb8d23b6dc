"""Which entry of the baseline an entry was, whatever its name: by its weights and its network.

A rename, a split or a swap of names changes nothing that is computed, so digests tell. A network is
the same one only on the same data set: entries may share it elsewhere.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from torchbudget.gates.baseline import BaselineEntry


@dataclass(frozen=True, kw_only=True)
class Identity:
    """By what an entry is recognised under another name.

    `weights` are the digests of the weights files on record. `digest_network` gives the digest of
    the network, "" where it cannot be had; it is asked only where it decides.
    """

    dataset: str
    weights: frozenset[str]
    digest_network: Callable[[], str]


def identify(entry: BaselineEntry) -> Identity:
    """By what an entry of the baseline is recognised."""
    weights = frozenset(run.digests.weights for run in entry.evidence.values())
    return Identity(dataset=entry.dataset, weights=weights, digest_network=lambda: entry.network)


def find_predecessors(
    name: str, now: Mapping[str, Identity], then: Mapping[str, Identity]
) -> tuple[str, ...]:
    """The entries of the baseline that the entry `name` is compared with, the closest first.

    These are the entries whose weights, or else whose network, moved to it: their own namesake no
    longer has them. Its own namesake is one too, unless `name` was recognised as another entry and
    its namesake has moved to a third. So every entry of the baseline has a successor that is
    compared with it, or nobody has anything of it.
    """
    moved = _find_moved(name, now, then)
    if name not in then:
        return moved
    if moved and any(name in _find_moved(other, now, then) for other in now if other != name):
        return moved
    return (name, *moved)


def _find_moved(
    name: str, now: Mapping[str, Identity], then: Mapping[str, Identity]
) -> tuple[str, ...]:
    """Other entries of the baseline whose weights, or else whose network, moved to `name`."""
    others = [other for other in then if other != name]
    by_weights = tuple(other for other in others if _has_moved_weights(name, other, now, then))
    return by_weights or tuple(_find_moved_networks(name, others, now, then))


def _has_moved_weights(
    name: str, other: str, now: Mapping[str, Identity], then: Mapping[str, Identity]
) -> bool:
    shared = now[name].weights & then[other].weights
    kept = now[other].weights if other in now else frozenset()
    return bool(shared - kept)


def _find_moved_networks(
    name: str, others: list[str], now: Mapping[str, Identity], then: Mapping[str, Identity]
) -> Iterator[str]:
    known = [
        other
        for other in others
        if then[other].dataset == now[name].dataset and then[other].digest_network()
    ]
    digest = now[name].digest_network() if known else ""
    if name in then and digest == then[name].digest_network():
        return  # it is what it was
    for other in known:
        if digest == then[other].digest_network():
            namesake = now.get(other)
            if namesake is None or namesake.digest_network() != digest:
                yield other
