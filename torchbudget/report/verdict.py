"""What a gate says, and what all the verdicts come to: an exit code."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum


class Status(StrEnum):
    """How a gate ended. A gate that could not measure is `not_run` or, where it broke, `error`; neither is ever a pass."""

    PASS = "pass"
    FAIL = "fail"
    WAIVED = "waived"
    NOT_RUN = "not_run"
    ERROR = "error"


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """One comparison of a budget with an observation.

    `expected` and `observed` are as people read them, `difference` how far apart they are, `field` the part of the entry's
    declaration that set the limit (for `where`, file:line), `remedy` what to do about a failure. `number` is the observation as
    one figure of which more is worse, by which a waiver accepts it; None where there is no such figure.
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

    def of(self, **changes: object) -> "Verdict":
        return replace(self, **changes)


EXIT_PASS, EXIT_FAIL, EXIT_USAGE, EXIT_UNMEASURED = 0, 1, 2, 3


def exit_code(verdicts: Iterable[Verdict]) -> int:
    """0: all gates ran and passed (or are waived) · 1: one failed · 3: something could not be measured, or nothing was judged."""
    statuses = {verdict.status for verdict in verdicts}
    if Status.FAIL in statuses:
        return EXIT_FAIL
    if not statuses or statuses & {Status.NOT_RUN, Status.ERROR}:
        return EXIT_UNMEASURED
    return EXIT_PASS
