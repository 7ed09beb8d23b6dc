"""What a gate says, and what all the verdicts come to: an exit code."""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from enum import StrEnum

from torchbudget.errors import EXIT_FAIL, EXIT_PASS, EXIT_UNMEASURED
from torchbudget.report.text import as_one_line


class Status(StrEnum):
    """How a gate ended.

    A gate that could not measure is `not_run`, one that broke is `error`; neither is ever a pass.
    One that has nothing to judge is `not_applicable` and counts as nothing. One that was left out,
    because an earlier one failed, is `not_judged`.
    """

    PASS = "pass"
    FAIL = "fail"
    WAIVED = "waived"
    NOT_RUN = "not_run"
    NOT_APPLICABLE = "not_applicable"
    ERROR = "error"
    NOT_JUDGED = "not_judged"


HARMLESS = frozenset({Status.PASS, Status.NOT_APPLICABLE, Status.NOT_JUDGED})
"""What nobody need do anything about."""


class Origin(StrEnum):
    """Whether a failure was there at the baseline; `unknown` where that cannot be told."""

    CAUSED_HERE = "caused_here"
    INHERITED = "inherited"
    UNKNOWN = "unknown"


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """One comparison of a budget with an observation.

    `expected` and `observed` are as people read them, `difference` is how far apart they are.
    `field` is the part of the entry's declaration that set the limit (for `where`, file:line),
    `remedy` what to do about a failure. `number` is the observation as one figure of which more is
    worse, by which a waiver accepts it; None where there is no such figure. `origin` is None where
    nothing failed or there is no baseline. `since` is the commit whose check said it, where the
    entry has not changed since and was not measured again.

    Every text is made one harmless line here, so that no report can forget it: much of it comes
    from files and networks of others.
    """

    gate: str
    status: Status
    observed: str
    expected: str
    entry: str = ""
    difference: str = ""
    field: str = ""
    where: str = ""
    remedy: str = ""
    details: tuple[str, ...] = ()
    number: float | None = None
    origin: Origin | None = None
    since: str = ""

    def __post_init__(self) -> None:
        for name in TEXTS:
            object.__setattr__(self, name, as_one_line(getattr(self, name)))
        object.__setattr__(self, "details", tuple(map(as_one_line, self.details)))

    @property
    def found(self) -> str:
        """What was observed, and whether that was at an earlier commit."""
        earlier = f"unchanged since {self.since[:12]}: " if self.since else ""
        return f"{earlier}{self.observed}"


TEXTS = tuple(field.name for field in fields(Verdict) if field.type is str)
"""The fields of a verdict that are text."""


def not_applicable(gate: str, reason: str) -> Verdict:
    """The verdict of a gate that has nothing to judge, and why."""
    return Verdict(
        gate=gate, status=Status.NOT_APPLICABLE, observed=reason, expected="nothing to judge"
    )


def not_judged(gate: str, entry: str) -> Verdict:
    """The verdict of a gate that was left out because an earlier one failed."""
    return Verdict(
        gate=gate,
        status=Status.NOT_JUDGED,
        entry=entry,
        observed="left out after the first failure",
        expected="to be judged without --fail-fast",
    )


def exit_code(verdicts: Iterable[Verdict]) -> int:
    """0: all that was judged passed or is waived.

    1: a gate failed, whether the failure was caused here or is inherited from the baseline.

    3: something could not be measured, or nothing was judged.
    """
    statuses = {verdict.status for verdict in verdicts} - {Status.NOT_APPLICABLE}
    if Status.FAIL in statuses:
        return EXIT_FAIL
    if not statuses or statuses & {Status.NOT_RUN, Status.ERROR, Status.NOT_JUDGED}:
        return EXIT_UNMEASURED
    return EXIT_PASS
