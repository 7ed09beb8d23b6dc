"""A pytest plugin: one test for each entry and gate of a zoo file, judged by the engine behind `check.py`.

    pytest -p pytest_zoo --zoo zoo.py
    pytest -p pytest_zoo zoo.py::slim::params   # with `zoo = zoo.py` in the suite's own configuration

A gate that fails, could not measure or broke is a failed test; a waived one passes and says so in its report.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from torchbudget.declare.entry import Entry
from torchbudget.engine import Engine
from torchbudget.errors import UsageError
from torchbudget.report.terminal import failure_lines
from torchbudget.report.verdict import Status, Verdict

ZOO = pytest.StashKey[Path]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.getgroup("zoo").addoption(
        "--zoo",
        type=Path,
        metavar="FILE",
        help="judge the entries of this zoo file, a test for each gate",
    )
    parser.addini(
        "zoo",
        "the zoo file to judge, from the folder of the configuration; run when the suite is run whole",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Note the zoo file, and add it to what is collected unless a part of it, or with the ini option any part of the suite, was named."""
    named, configured = config.getoption("zoo"), config.getini("zoo")
    if not named and not configured:
        return
    zoo = (
        config.invocation_params.dir / named
        if named
        else (config.inipath or config.rootpath / "-").parent / configured
    ).resolve()
    if not zoo.is_file():
        raise pytest.UsageError(
            f"{zoo} is not a file; --zoo, or zoo in the configuration, names a Python file that defines ZOO"
        )
    config.stash[ZOO] = zoo
    asked = [
        (config.invocation_params.dir / argument.split("::")[0]).resolve()
        for argument in config.args
    ]
    if zoo not in asked and (named or config.args_source is not pytest.Config.ArgsSource.ARGS):
        config.args.append(str(zoo))


@pytest.hookimpl(wrapper=True)
def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> Iterator[None]:
    """The zoo file holds verdicts and no test functions, whatever it is called."""
    collected = yield
    return (
        [ZooFile.from_parent(parent, path=file_path)]
        if file_path == parent.config.stash.get(ZOO, None)
        else collected
    )


class ZooFile(pytest.File):
    """The zoo file; its results.json and weights/ are expected beside it."""

    def collect(self) -> Iterator[pytest.Item | pytest.Collector]:
        try:
            self.engine = Engine(self.path)
        except UsageError as error:
            raise self.CollectError(str(error)) from error
        for entry in self.engine.zoo.values():
            yield EntryNode.from_parent(self, name=entry.name, entry=entry)
        for verdict in self.engine.judge_rest():
            yield VerdictItem.from_parent(
                self,
                name=f"{verdict.entry}::{verdict.gate}",
                judge=lambda verdict=verdict: [verdict],
            )


class EntryNode(pytest.Collector):
    def __init__(self, *, entry: Entry, **node: object) -> None:
        super().__init__(**node)
        self.entry = entry

    def collect(self) -> Iterator[pytest.Item]:
        for gate in self.parent.engine.select_gates():
            yield VerdictItem.from_parent(
                self, name=gate, judge=lambda gate=gate: self.parent.engine.judge(self.entry, gate)
            )


class NotPassed(Exception):
    """Carries the verdicts that are no pass."""

    def __init__(self, verdicts: list[Verdict]) -> None:
        super().__init__("; ".join(verdict.observed for verdict in verdicts))
        self.verdicts = verdicts


class VerdictItem(pytest.Item):
    """One gate on one entry."""

    def __init__(self, *, judge: Callable[[], list[Verdict]], **node: object) -> None:
        super().__init__(**node)
        self.judge = judge

    def runtest(self) -> None:
        verdicts = self.judge()
        self.user_properties += [("observed", verdict.observed) for verdict in verdicts]
        if waived := [verdict for verdict in verdicts if verdict.status is Status.WAIVED]:
            self.add_report_section("call", "waived", show(waived))
        if wrong := [
            verdict for verdict in verdicts if verdict.status not in (Status.PASS, Status.WAIVED)
        ]:
            raise NotPassed(wrong)

    def repr_failure(
        self, excinfo: pytest.ExceptionInfo[BaseException], style: str | None = None
    ) -> object:
        if isinstance(excinfo.value, NotPassed):
            return show(excinfo.value.verdicts)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, None, str]:
        return self.path, None, self.nodeid.partition("::")[2]


def show(verdicts: list[Verdict]) -> str:
    """The verdicts as the terminal shows them."""
    return "\n".join(line for verdict in verdicts for line in failure_lines(verdict))
