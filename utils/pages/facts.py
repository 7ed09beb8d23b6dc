"""What the pages say of each entry: what is declared, recorded, and judged while they are built."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from torchbudget.declare.entry import Ensemble, Entry
from torchbudget.declare.zoofile import load_zoo
from torchbudget.engine import Engine
from torchbudget.errors import Unmeasurable, UsageError
from torchbudget.evidence.results import Run, evidence_of, read_results
from torchbudget.evidence.weights import weights_paths
from torchbudget.network.layers import LayerRow
from torchbudget.reading import reading
from torchbudget.report.formats import from_json
from torchbudget.report.verdict import Status, Verdict
from utils.pages.blocks import Block, make_blocks
from utils.runs import count_bytes
from utils.table import Row, make_row

JUDGED_HERE = ("params", "structure", "cost", "seeds", "epochs")
"""The gates that need no images: they are judged whenever the site is built."""

SHORTFALLS = (Status.FAIL, Status.ERROR, Status.NOT_RUN, Status.WAIVED)
"""What a summary of verdicts names instead of a pass, the gravest first."""


@dataclass(frozen=True, kw_only=True)
class Network:
    """An entry's network as captured: a row for each operation, and the blocks of its picture.

    `parts` has the blocks of each network that votes, by the entry that trained it, each form once;
    of an entry that is no ensemble, its own.
    """

    layers: Sequence[LayerRow]
    parts: Mapping[str, Sequence[Block]]


@dataclass(frozen=True, kw_only=True)
class Facts:
    """An entry, its row of the zoo's table, its evidence in the order of the seeds.

    `verdicts` are those judged while the site is built, and those of the report that it was given;
    `unjudged` are the gates in neither. `network` is None where nothing was judged.
    `weight_bytes` is the size of the weights files of seed 0, of an ensemble those of all that
    vote, None where one is missing.
    """

    entry: Entry
    row: Row
    runs: Sequence[Run]
    weight_bytes: int | None
    verdicts: Sequence[Verdict] = ()
    unjudged: Sequence[str] = ()
    network: Network | None = None

    @property
    def name(self) -> str:
        return self.entry.name

    @property
    def num_passed(self) -> int:
        return sum(verdict.status is Status.PASS for verdict in self.verdicts)

    @cached_property
    def verdict(self) -> str:
        """All verdicts in a few words: the gravest shortfall, or how many gates passed."""
        statuses = [verdict.status for verdict in self.verdicts]
        for status in SHORTFALLS:
            if status in statuses:
                return f"{status.replace('_', ' ')}: {statuses.count(status)}"
        return f"{self.num_passed} pass" if self.num_passed else "not judged"

    @property
    def missed_by_all(self) -> list[int]:
        """Indices of the test images that every seed misses."""
        missed = [set(map(int, run.missed)) for run in self.runs]
        return sorted(set.intersection(*missed)) if missed else []

    @property
    def missed_by(self) -> dict[int, dict[int, int]]:
        """By index of each missed test image: what each seed that misses it took it for."""
        missed: dict[int, dict[int, int]] = {}
        for run in self.runs:
            for index, predicted in run.missed.items():
                missed.setdefault(int(index), {})[run.seed] = predicted
        return dict(sorted(missed.items(), key=lambda item: (-len(item[1]), item[0])))


def read_report(path: Path, runs: Sequence[Run]) -> list[Verdict]:
    """The verdicts in a report of `check --json` on the record that `runs` are from.

    Raises `UsageError` where the file is none, or measured other misses than are recorded.
    """
    with reading(path, UsageError, "is not a report of `check --json`"):
        report = from_json(path.read_bytes())
    recorded = {(run.entry, run.seed): run.test.misses for run in runs if not run.overrides}
    for figure in report.figures:
        for seed, misses in figure.misses.items():
            if recorded.get((figure.entry, seed)) != misses:
                raise UsageError(
                    f"{path} measured {misses} misses of {figure.entry}, seed {seed}, which is not "
                    "what is recorded; judge again: make check ARGS='--json FILE'"
                )
    return report.verdicts


def collect(
    zoo_file: Path,
    *,
    report: Path | None = None,
    judged: Sequence[str] | None = None,
    gates: Sequence[str],
) -> list[Facts]:
    """The facts of every entry of the zoo file, in its order.

    Its record and weights are beside it. `judged` are the entries that are judged here, by default
    all; an empty one judges none. `gates` are all that there are. Raises a `TorchBudgetError`.
    """
    folder = zoo_file.parent
    runs = read_results(folder / "results.json")
    reported = read_report(report, runs) if report else []
    unknown = {verdict.gate for verdict in reported} - set(gates)
    if unknown:
        raise UsageError(f"{report} judged by unknown gates: {', '.join(sorted(unknown))}")
    zoo = load_zoo(zoo_file, served=("utils",))
    names = list(zoo) if judged is None else list(judged)
    engine = Engine(zoo_file, entries=names) if names else None
    facts = []
    for name, entry in zoo.items():
        verdicts = [verdict for verdict in reported if verdict.entry == name]
        network = None
        if engine and name in names:
            network = inspect_network(engine, engine.zoo[name])
            verdicts = [verdict for verdict in verdicts if verdict.gate not in JUDGED_HERE]
            for gate in JUDGED_HERE:
                verdicts += engine.judge(engine.zoo[name], gate)
        judged_gates = {verdict.gate for verdict in verdicts}
        evidence = evidence_of(entry, runs)
        facts.append(
            Facts(
                entry=entry,
                row=make_row(entry, runs),
                runs=[run for _, run in sorted(evidence.items())],
                weight_bytes=count_bytes(weights_paths(entry, 0, folder / "weights")),
                verdicts=sorted(verdicts, key=lambda verdict: gates.index(verdict.gate)),
                unjudged=[gate for gate in gates if gate not in {*judged_gates, "ratchet"}],
                network=network,
            )
        )
    return facts


def inspect_network(engine: Engine, entry: Entry) -> Network | None:
    """The network as captured; None where it could not be."""
    members = (
        [member for member, _ in entry.member_runs] if isinstance(entry, Ensemble) else [entry]
    )
    try:
        return Network(
            layers=engine.observe(entry).inspection.layers,
            parts={
                member.name: make_blocks(engine.observe(member).inspection) for member in members
            },
        )
    except Unmeasurable:
        return None
