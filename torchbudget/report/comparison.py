"""What a change did to an entry: its numbers now and at the base, and the images that flipped."""

from dataclasses import dataclass

from torchbudget.report.metrics import Metrics


@dataclass(frozen=True, kw_only=True)
class Base:
    """What the entries are compared with: a commit, and whether there was a zoo file."""

    commit: str
    has_zoo: bool = True


@dataclass(frozen=True, kw_only=True)
class Flip:
    """A test image whose answer changed between right and wrong, for these seeds.

    `label` is its class, `then` and `now` are the answers. `picture` holds its lines of text.
    """

    index: int
    label: int
    then: int
    now: int
    seeds: tuple[int, ...]
    picture: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """An entry now and at the base, None where it is not there.

    `lost` are the images that were right at the base and are missed now, `won` the other way.
    """

    now: Metrics | None
    then: Metrics | None
    lost: tuple[Flip, ...] = ()
    won: tuple[Flip, ...] = ()

    @property
    def entry(self) -> str:
        """The entry's name now, or the one that it had."""
        known = self.now or self.then
        assert known is not None
        return known.entry

    @property
    def differences(self) -> list[tuple[str, int | None, int | None]]:
        """Each number, how it was and how it is."""
        now = self.now or Metrics(entry=self.entry)
        then = self.then or Metrics(entry=self.entry)
        return [
            ("parameters", then.params, now.params),
            ("multiply-adds", then.multiply_adds, now.multiply_adds),
            ("weight bytes", then.weight_bytes, now.weight_bytes),
            ("misses, worst seed", then.worst, now.worst),
        ]

    @property
    def outcome(self) -> str:
        """One of "new", "removed", "worse", "better", "changed" and "unchanged".

        "worse" is where numbers rose and none fell, "better" the other way.
        """
        if self.then is None:
            return "new"
        if self.now is None:
            return "removed"
        steps = [
            now - then
            for _, then, now in self.differences
            if now is not None and then is not None and now != then
        ]
        if steps and min(steps) > 0:
            return "worse"
        if steps and max(steps) < 0:
            return "better"
        renamed = self.now.entry != self.then.entry
        return "changed" if steps or renamed or self.lost or self.won else "unchanged"
