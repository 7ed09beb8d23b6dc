"""Which part of a check a report is."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Shard:
    """Shard `number` (from 1) of `count`.

    `entries` and `gates` are those of all shards together; `judged` is a SHA-256 of the files that
    they judge, by which shards of other commits are told apart.
    """

    number: int
    count: int
    entries: list[str]
    gates: list[str]
    judged: str
