"""A pytest plugin: one test for each entry and gate of a zoo file, judged by the engine behind `check.py`.

    pytest -p pytest_zoo --zoo zoo.py
    pytest -p pytest_zoo zoo.py::slim::params   # with `zoo = zoo.py` in the suite's own configuration

A gate that fails, could not measure or broke is a failed test; a waived one passes and says so in its report.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

import environment
from gates import GATES
from gates.engine import Engine
from utils.entry import Entry
from utils.evidence import EvidenceError
from utils.report import failure_lines
from utils.verdict import Status, Verdict
from utils.zoofile import ZooError

ZOO = pytest.StashKey[Path]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.getgroup("zoo").addoption("--zoo", type=Path, metavar="FILE", help="judge the entries of this zoo file, a test for each gate")
    parser.addini("zoo", "the zoo file to judge, from the folder of the configuration; run when the suite is run whole")


def pytest_configure(config: pytest.Config) -> None:
    """Note the zoo file, and add it to what is collected unless a part of it, or with the ini option any part of the suite, was named."""
    named, configured = config.getoption("zoo"), config.getini("zoo")
    if not named and not configured:
        return
    zoo = (config.invocation_params.dir / named if named else (config.inipath or config.rootpath / "-").parent / configured).resolve()
    if not zoo.is_file():
        raise pytest.UsageError(f"{zoo} is not a file; --zoo, or zoo in the configuration, names a Python file that defines ZOO")
    config.stash[ZOO] = zoo
    asked = [(config.invocation_params.dir / argument.split("::")[0]).resolve() for argument in config.args]
    if zoo not in asked and (named or config.args_source is not pytest.Config.ArgsSource.ARGS):
        config.args.append(str(zoo))


@pytest.hookimpl(wrapper=True)
def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> Iterator[None]:
    """The zoo file holds verdicts and no test functions, whatever it is called."""
    collected = yield
    return [ZooFile.from_parent(parent, path=file_path)] if file_path == parent.config.stash.get(ZOO, None) else collected


class ZooFile(pytest.File):
    """The zoo file; its results.json and weights/ are expected beside it."""

    def collect(self) -> Iterator[pytest.Item | pytest.Collector]:
        platform = (environment.cpu_name(), environment.installed_version("torch"))
        try:
            self.engine = Engine(self.path, platform)
        except (ZooError, EvidenceError) as error:
            raise self.CollectError(str(error)) from error
        for entry in self.engine.zoo.values():
            yield EntryNode.from_parent(self, name=entry.name, entry=entry)
        for verdict in self.engine.judge_orphans():
            yield VerdictItem.from_parent(self, name=f"{verdict.entry}::{verdict.gate}", judge=lambda verdict=verdict: verdict)


class EntryNode(pytest.Collector):
    def __init__(self, *, entry: Entry, **node: object) -> None:
        super().__init__(**node)
        self.entry = entry

    def collect(self) -> Iterator[pytest.Item]:
        for gate in GATES:
            yield VerdictItem.from_parent(self, name=gate, judge=lambda gate=gate: self.parent.engine.judge(self.entry, gate))


class NotPassed(Exception):
    """Carries the verdict of a gate that did not pass."""

    def __init__(self, verdict: Verdict) -> None:
        super().__init__(verdict.observed)
        self.verdict = verdict


class VerdictItem(pytest.Item):
    """One gate on one entry."""

    def __init__(self, *, judge: object, **node: object) -> None:
        super().__init__(**node)
        self.judge = judge

    def runtest(self) -> None:
        verdict = self.judge()
        self.user_properties.append(("observed", verdict.observed))
        if verdict.status is Status.WAIVED:
            self.add_report_section("call", "waived", "\n".join(failure_lines(verdict)))
        elif verdict.status is not Status.PASS:
            raise NotPassed(verdict)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: str | None = None) -> object:
        if isinstance(excinfo.value, NotPassed):
            return "\n".join(failure_lines(excinfo.value.verdict))
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, None, str]:
        return self.path, None, self.nodeid.partition("::")[2]
