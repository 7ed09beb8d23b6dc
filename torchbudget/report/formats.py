"""Verdicts as machines read them: JSON, JUnit, SARIF 2.1.0 and GitHub's annotations."""

import hashlib
import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec

from torchbudget.report.basis import Basis
from torchbudget.report.comparison import Base, Comparison
from torchbudget.report.metrics import Metrics
from torchbudget.report.shard import Shard
from torchbudget.report.terminal import describe_origin, failure_lines, sort_by_urgency
from torchbudget.report.verdict import HARMLESS, Origin, Status, Verdict, exit_code

JSON_SCHEMA = 2
SARIF_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
MAX_ANNOTATIONS = 9
JUNIT_KINDS = {
    Status.FAIL: "failure",
    Status.WAIVED: "skipped",
    Status.NOT_APPLICABLE: "skipped",
    Status.NOT_JUDGED: "skipped",
}
BASELINE_STATES = {Origin.CAUSED_HERE: "new", Origin.INHERITED: "unchanged"}
"""SARIF's `baselineState`, which has no word for what is unknown."""
ILLEGAL_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True)
class Report:
    """What `to_json` writes."""

    schema: int
    exit_code: int
    verdicts: list[Verdict]
    figures: list[Metrics]
    confinement: dict[str, list[str]] | None = None
    shard: Shard | None = None
    basis: Basis | None = None
    base: Base | None = None
    comparisons: list[Comparison] = field(default_factory=list)


def from_json(content: bytes) -> Report:
    """The report that `to_json` wrote; raises `ValueError` or `msgspec.DecodeError` otherwise."""
    report = msgspec.json.decode(content, type=Report)
    if report.schema != JSON_SCHEMA:
        raise ValueError(f"it has schema {report.schema}, this version reads {JSON_SCHEMA}")
    return report


def to_json(
    verdicts: list[Verdict],
    metrics: list[Metrics],
    *,
    confinement: dict[str, list[str]] | None = None,
    shard: Shard | None = None,
    basis: Basis | None = None,
    base: Base | None = None,
    comparisons: Sequence[Comparison] = (),
) -> str:
    """The verdicts in the order they were judged, and the unrounded numbers behind them.

    `confinement` says what the system forbade to the zoo's code, and what it could not. The report
    of a part of a check says which one it is. `basis` is what the verdicts rest on,
    `comparisons` what the change since `base` did.
    """
    document: dict[str, Any] = {
        "schema": JSON_SCHEMA,
        "exit_code": exit_code(verdicts),
        "verdicts": [asdict(verdict) for verdict in verdicts],
        "figures": [asdict(entry) for entry in metrics],
        "confinement": confinement,
    }
    if shard is not None:
        document["shard"] = asdict(shard)
    if basis is not None:
        document["basis"] = asdict(basis)
    if base is not None:
        document["base"] = asdict(base)
    if comparisons:
        document["comparisons"] = [asdict(comparison) for comparison in comparisons]
    return json.dumps(document, indent=1) + "\n"


# --- JUnit ----------------------------------------------------------------------------------------


def to_junit(verdicts: list[Verdict]) -> str:
    """A suite for each entry, a case for each gate.

    A failed gate is a failure, whose message begins with its origin where there is a baseline; one
    that could not measure is an error. A waived one, one that has nothing to judge and one that was
    left out are skipped.
    """
    suites = ET.Element("testsuites", _counts(verdicts))
    for entry in dict.fromkeys(verdict.entry for verdict in verdicts):
        mine = [verdict for verdict in verdicts if verdict.entry == entry]
        suite = ET.SubElement(suites, "testsuite", {"name": _legal(entry), **_counts(mine)})
        for verdict in mine:
            _add_case(suite, verdict)
    return ET.tostring(suites, encoding="unicode", xml_declaration=True) + "\n"


def _add_case(suite: ET.Element, verdict: Verdict) -> None:
    case = ET.SubElement(
        suite, "testcase", classname=_legal(f"zoo.{verdict.entry}"), name=_legal(verdict.gate)
    )
    if verdict.status is Status.PASS:
        ET.SubElement(case, "system-out").text = _legal(verdict.found)
        return
    origin = f"{describe_origin(verdict.origin)}: " if verdict.origin else ""
    message = _legal(f"{origin}expected {verdict.expected}, found {verdict.found}")
    kind = JUNIT_KINDS.get(verdict.status, "error")
    problem = ET.SubElement(case, kind, message=message, type=verdict.status)
    problem.text = _legal("\n".join(failure_lines(verdict)))


def _counts(verdicts: list[Verdict]) -> dict[str, str]:
    statuses = [verdict.status for verdict in verdicts]
    errors = statuses.count(Status.NOT_RUN) + statuses.count(Status.ERROR)
    return {
        "tests": str(len(statuses)),
        "failures": str(statuses.count(Status.FAIL)),
        "errors": str(errors),
        "skipped": str(sum(JUNIT_KINDS.get(status) == "skipped" for status in statuses)),
    }


def _legal(text: str) -> str:
    """The text without what XML 1.0 cannot hold, even escaped."""
    return ILLEGAL_IN_XML.sub("\ufffd", text)


# --- SARIF ----------------------------------------------------------------------------------------


def to_sarif(verdicts: list[Verdict], rules: dict[str, str], zoo: Path) -> str:
    """A result for each verdict that asks for something, under the rule `zoo/<gate>`.

    `rules` says what each gate passes; a waiver suppresses. A failure that the baseline had is
    `unchanged`, one that was caused here is `new`; one of unknown origin has no `baselineState`.
    """
    unhappy = [verdict for verdict in verdicts if verdict.status not in HARMLESS]
    rules = rules | {verdict.gate: "" for verdict in verdicts if verdict.gate not in rules}
    driver = {
        "name": "torchbudget",
        "rules": [
            {"id": f"zoo/{gate}", "name": gate, "shortDescription": {"text": text or gate}}
            for gate, text in rules.items()
        ],
    }
    code = exit_code(verdicts)
    run = {
        "tool": {"driver": driver},
        "invocations": [{"executionSuccessful": code in (0, 1), "exitCode": code}],
        "results": [_result(verdict, list(rules).index(verdict.gate), zoo) for verdict in unhappy],
    }
    document = {"$schema": SARIF_SCHEMA, "version": "2.1.0", "runs": [run]}
    return json.dumps(document, indent=1) + "\n"


def _result(verdict: Verdict, rule: int, zoo: Path) -> dict[str, Any]:
    file, line = _locate(verdict, zoo)
    name = f"{verdict.entry}/{verdict.gate}"
    location = {
        "artifactLocation": {"uri": Path(file).as_uri() if file.startswith("/") else quote(file)},
        "region": {"startLine": line},
    }
    result: dict[str, Any] = {
        "ruleId": f"zoo/{verdict.gate}",
        "ruleIndex": rule,
        "level": "error",
        "message": {"text": "\n".join(failure_lines(verdict))},
        "locations": [{"physicalLocation": location}],
        "partialFingerprints": {
            "entryAndGate/v1": hashlib.sha256(name.encode()).hexdigest(),
        },
    }
    properties = {"origin": verdict.origin, "unchangedSince": verdict.since}
    if any(properties.values()):
        result["properties"] = {name: text for name, text in properties.items() if text}
    if verdict.origin in BASELINE_STATES:
        result["baselineState"] = BASELINE_STATES[verdict.origin]
    if verdict.status is Status.WAIVED:
        result["suppressions"] = [{"kind": "external", "justification": verdict.remedy}]
    return result


def _locate(verdict: Verdict, zoo: Path) -> tuple[str, int]:
    """The verdict's file, relative to the working directory where it is below it, and the line.

    Without a place of its own it is the first line of the zoo file.
    """
    name, _, line = verdict.where.rpartition(":")
    if not line.isdecimal():
        name, line = verdict.where, "1"
    path = (zoo.parent / (name or zoo.name)).resolve()
    here = Path.cwd().resolve()
    if path.is_relative_to(here):
        path = path.relative_to(here)
    return path.as_posix(), int(line)


# --- GitHub ---------------------------------------------------------------------------------------


def to_annotations(verdicts: list[Verdict], zoo: Path) -> list[str]:
    """Workflow commands that mark what failed, failures first.

    At most nine, and one that counts the rest.
    """
    unhappy = sort_by_urgency([verdict for verdict in verdicts if verdict.status not in HARMLESS])
    shown, rest = unhappy[:MAX_ANNOTATIONS], unhappy[MAX_ANNOTATIONS:]
    lines = [_annotation(verdict, zoo) for verdict in shown]
    if rest:
        waived = all(verdict.status is Status.WAIVED for verdict in rest)
        level = "notice" if waived else "error"
        lines.append(
            f"::{level} title=torchbudget::and {len(rest)} more, in the log and in the step summary"
        )
    return lines


def _annotation(verdict: Verdict, zoo: Path) -> str:
    file, line = _locate(verdict, zoo)
    title, *body = failure_lines(verdict)
    level = "notice" if verdict.status is Status.WAIVED else "error"
    if verdict.origin:
        title += f" ({describe_origin(verdict.origin)})"
    place = f"file={_escape(file, ':,')},line={line},title={_escape(title, ':,')}"
    return f"::{level} {place}::{_escape(chr(10).join(body))}"


def _escape(text: str, also: str = "") -> str:
    """The text as a workflow command's data, or with `also` as its property.

    Nothing in it can end the command or begin another.
    """
    for character in "%\r\n" + also:
        text = text.replace(character, f"%{ord(character):02X}")
    return text
