"""A pytest plugin: one test for each entry and gate of a zoo file, as `torchbudget check` judges.

    pytest                             # with [tool.torchbudget] zoo = "zoo.py" in pyproject.toml
    pytest --zoo zoo.py                # this zoo file, beside the suite's own tests
    pytest zoo.py::slim::params        # with either of them: one gate

A gate that fails, could not measure or broke is a failed test; a waived one passes and says so in
its report. pytest loads this module in every run of whoever installed the package: it imports
torch only when a zoo file is collected.
"""

import logging
import warnings
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from torchbudget.errors import TorchBudgetError
from torchbudget.project import find_configured_zoo

if TYPE_CHECKING:
    from torchbudget.declare.entry import Entry
    from torchbudget.engine import Engine
    from torchbudget.report.verdict import Verdict

ZOO = pytest.StashKey[Path]()
PASSING = ("pass", "waived", "not_applicable")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.getgroup("torchbudget").addoption(
        "--zoo",
        type=Path,
        metavar="FILE",
        help="judge the entries of this zoo file, a test for each gate",
    )
    parser.addini("zoo", "the zoo file to judge, from the folder of the configuration")


def pytest_configure(config: pytest.Config) -> None:
    """Note the zoo file, and add it to what is collected.

    It is not added where a part of it was named, nor, where the configuration names it, where any
    part of the suite was.
    """
    named = config.getoption("zoo")
    zoo = _zoo_of(config, named)
    if zoo is None:
        return
    config.stash[ZOO] = zoo
    folder = config.invocation_params.dir
    asked = [(folder / argument.split("::")[0]).resolve() for argument in config.args]
    whole_suite = config.args_source is not pytest.Config.ArgsSource.ARGS
    if zoo not in asked and (named or whole_suite):
        config.args.append(str(zoo))


def _zoo_of(config: pytest.Config, named: Path | None) -> Path | None:
    """The zoo file that --zoo, the ini file or `pyproject.toml` names; None without any."""
    configured = config.getini("zoo")
    if named is not None:
        zoo = config.invocation_params.dir / named
    elif configured:
        folder = config.inipath.parent if config.inipath else config.rootpath
        zoo = folder / str(configured)
    else:
        try:
            found = find_configured_zoo(config.rootpath)
        except TorchBudgetError as error:
            raise pytest.UsageError(str(error)) from error
        if found is None:
            return None
        zoo = found
    zoo = zoo.resolve()
    if not zoo.is_file():
        raise pytest.UsageError(
            f"{zoo} is not a file; --zoo, or zoo in the configuration, "
            "names a Python file that defines ZOO"
        )
    return zoo


@pytest.hookimpl(wrapper=True)
def pytest_collect_file(
    file_path: Path, parent: pytest.Collector
) -> Generator[None, object, object]:
    """Collect verdicts from the zoo file, and no test functions, whatever it is called."""
    collected = yield
    if file_path != parent.config.stash.get(ZOO, None):
        return collected
    return [ZooFile.from_parent(parent, path=file_path)]


class ZooFile(pytest.File):
    """The zoo file; its results.json and weights/ are expected beside it."""

    engine: "Engine"

    def collect(self) -> Iterator[pytest.Item | pytest.Collector]:
        with _as_on_the_terminal():
            from torchbudget.checking import make_engine

            try:
                self.engine = make_engine(self.path)
            except TorchBudgetError as error:
                raise self.CollectError(str(error)) from error
            beside = self.engine.judge_rest()
        for entry in self.engine.zoo.values():
            yield EntryNode.from_parent(self, name=entry.name, entry=entry, engine=self.engine)
        for verdict in beside:
            yield VerdictItem.from_parent(
                self,
                name=f"{verdict.entry}::{verdict.gate}",
                judge=lambda verdict=verdict: [verdict],
            )


class EntryNode(pytest.Collector):
    """An entry; it collects its gates."""

    def __init__(self, *, entry: "Entry", engine: "Engine", **node: Any) -> None:
        super().__init__(**node)
        self.entry = entry
        self.engine = engine

    def collect(self) -> Iterator[pytest.Item]:
        for gate in self.engine.select_gates():
            yield VerdictItem.from_parent(
                self, name=gate, judge=lambda gate=gate: self.engine.judge(self.entry, gate)
            )


class NotPassed(Exception):
    """Carries the verdicts that are no pass."""

    def __init__(self, verdicts: "list[Verdict]") -> None:
        super().__init__("; ".join(verdict.observed for verdict in verdicts))
        self.verdicts = verdicts


class VerdictItem(pytest.Item):
    """One gate on one entry."""

    def __init__(self, *, judge: "Callable[[], list[Verdict]]", **node: Any) -> None:
        super().__init__(**node)
        self.judge = judge

    def runtest(self) -> None:
        with _as_on_the_terminal():
            verdicts = self.judge()
        for verdict in verdicts:
            self.user_properties.append(("observed", verdict.observed))
        waived = [verdict for verdict in verdicts if verdict.status == "waived"]
        if waived:
            self.add_report_section("call", "waived", show(waived))
        wrong = [verdict for verdict in verdicts if verdict.status not in PASSING]
        if wrong:
            raise NotPassed(wrong)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        if isinstance(excinfo.value, NotPassed):
            return show(excinfo.value.verdicts)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, None, str]:
        return self.path, None, self.nodeid.partition("::")[2]


def show(verdicts: "list[Verdict]") -> str:
    """The verdicts as the terminal shows them."""
    from torchbudget.report.terminal import failure_lines

    lines: list[str] = []
    for verdict in verdicts:
        lines += failure_lines(verdict)
    return "\n".join(lines)


@contextmanager
def _as_on_the_terminal() -> Iterator[None]:
    """Judge without the suite's own filters of warnings and its capture of torch's debug log.

    With `filterwarnings = error` a gate would break on what torch deprecates within itself.
    """
    disabled = logging.root.manager.disable
    logging.disable(max(disabled, logging.INFO))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("default")
            yield
    finally:
        logging.disable(disabled)
