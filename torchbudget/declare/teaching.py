"""Networks that are taught by others: distillation, as far as a judge needs to know of it."""

from dataclasses import dataclass

from torchbudget.declare.entry import Ensemble, Entry
from torchbudget.declare.validation import check_kind, reject

TrainedNetwork = tuple[Entry, int]
"""An entry and the seed of its run: a network with the weights that the run ended with."""


@dataclass(frozen=True, kw_only=True)
class TaughtBy:
    """The trained networks whose answers another network learns from.

    They are those that the runs of `entry` with `seeds` ended with, of an ensemble its members'. A
    recipe that holds one in its field `teacher` says so of its training: the record then names the
    weights that taught, and the gates judge that they have seen no image that the taught network is
    chosen or tested by. In a description the entry is its name.
    """

    entry: Entry
    seeds: tuple[int, ...] = (0,)

    def __post_init__(self) -> None:
        check_kind(self, Entry, "entry")
        name = self.entry.name
        num_declared = self.entry.budget.seeds
        seeds = self.seeds
        whole = isinstance(seeds, tuple) and all(type(seed) is int for seed in seeds)
        known = whole and bool(seeds) and set(seeds) <= set(range(num_declared))
        if not known or len(set(seeds)) < len(seeds):
            reject(
                self,
                f"seeds must be different ones of the {num_declared} that {name} declares, "
                f"not {seeds!r}",
            )

    @property
    def networks(self) -> tuple[TrainedNetwork, ...]:
        """Each trained network whose answers count."""
        if isinstance(self.entry, Ensemble):
            return self.entry.member_runs
        return tuple((self.entry, seed) for seed in self.seeds)


def find_teacher(entry: Entry) -> TaughtBy | None:
    """What the recipe of an entry learns from; None where it learns from labels alone."""
    teacher = getattr(entry.recipe, "teacher", None)
    return teacher if isinstance(teacher, TaughtBy) else None


def list_teachers(entry: Entry) -> tuple[TrainedNetwork, ...]:
    """All networks that taught an entry or one that taught it, each once.

    An ensemble is taught by its members' teachers.
    """
    if isinstance(entry, Ensemble):
        members = entry.member_runs
        return _without_repetition(
            [teacher for member, _ in members for teacher in list_teachers(member)]
        )
    teacher = find_teacher(entry)
    if teacher is None:
        return ()
    found: list[TrainedNetwork] = []
    for network in teacher.networks:
        found += [network, *list_teachers(network[0])]
    return _without_repetition(found)


def _without_repetition(networks: list[TrainedNetwork]) -> tuple[TrainedNetwork, ...]:
    """Each network once; entries are unique by name in a zoo."""
    return tuple({(entry.name, seed): (entry, seed) for entry, seed in networks}.values())
