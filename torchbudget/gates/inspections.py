"""The networks of a zoo that was built, each inspected once."""

from torchbudget.building.client import BuiltZoo
from torchbudget.declare.entry import Ensemble, Entry
from torchbudget.network.inspection import EnsembleInspection, Inspection


class Inspections:
    """The networks of a zoo by key: entries of the same network share what is measured of it."""

    def __init__(self, zoo: BuiltZoo) -> None:
        self._zoo = zoo
        self._by_key: dict[str, Inspection] = {}

    def of(self, entry: Entry) -> Inspection:
        """The inspection of an entry's network."""
        key = self._zoo.keys[entry.name]
        if key not in self._by_key:
            built = self._zoo.networks[key]
            if isinstance(entry, Ensemble):
                members = [self.of(member) for member, _ in entry.member_runs]
                self._by_key[key] = EnsembleInspection(built, members)
            else:
                self._by_key[key] = Inspection(built)
        return self._by_key[key]

    def release_all_but(self, entries: list[Entry]) -> None:
        """Let go of the traces that neither `entries` nor their members need."""
        needed: set[str] = set()
        for entry in entries:
            needed.add(self._zoo.keys[entry.name])
            if isinstance(entry, Ensemble):
                needed.update(self._zoo.keys[member.name] for member, _ in entry.member_runs)
        for key, inspection in self._by_key.items():
            if key not in needed:
                inspection.release()
