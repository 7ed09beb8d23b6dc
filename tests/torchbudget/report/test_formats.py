"""Verdicts for machines: nothing is lost, and no text of a verdict breaks the format.

A verdict that is no pass never looks like one.
"""

import json
import re
import xml.etree.ElementTree as ET
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import unquote

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from torchbudget.gates import GATES
from torchbudget.report.formats import (
    JSON_SCHEMA,
    MAX_ANNOTATIONS,
    to_annotations,
    to_json,
    to_junit,
    to_sarif,
)
from torchbudget.report.markdown import to_markdown
from torchbudget.report.metrics import Metrics
from torchbudget.report.text import as_one_line
from torchbudget.report.verdict import HARMLESS, Origin, Status, Verdict, exit_code

COUNTS = st.integers(0, 10**12)
VERDICTS = st.lists(
    st.builds(
        Verdict,
        gate=st.sampled_from([*GATES, "another"]),
        status=st.sampled_from(Status),
        entry=st.sampled_from(["slim", "net3"]),
        observed=st.text(),
        expected=st.text(),
        remedy=st.text("x%:,\r\n::]]><&\0"),
        where=st.sampled_from(["", "zoo.py:31", "waivers.toml"]),
        details=st.lists(st.text()).map(tuple),
        origin=st.none() | st.sampled_from(Origin),
    ),
    max_size=25,
)
FIGURES = st.lists(
    st.builds(
        Metrics,
        entry=st.text(),
        params=st.none() | COUNTS,
        multiply_adds=st.none() | COUNTS,
        total=st.none() | COUNTS,
        misses=st.dictionaries(COUNTS, COUNTS),
        missed=st.dictionaries(COUNTS, st.lists(COUNTS)),
    )
)


@dataclass
class Document:
    schema: int
    exit_code: int
    verdicts: list[Verdict]
    figures: list[Metrics]


def unhappy(verdicts: list[Verdict]) -> list[Verdict]:
    return [verdict for verdict in verdicts if verdict.status not in HARMLESS]


@given(VERDICTS, FIGURES)
def test_json_round_trips(verdicts, figures):
    assert msgspec.json.decode(to_json(verdicts, figures), type=Document) == Document(
        JSON_SCHEMA, exit_code(verdicts), verdicts, figures
    )


@given(VERDICTS)
def test_junit_has_a_case_for_each_verdict_and_only_passes_are_clean(verdicts):
    suites = ET.fromstring(to_junit(verdicts))
    found = sorted(
        (suite.get("name"), case.get("name"), child.tag)
        for suite in suites
        for case in suite
        for child in case
    )
    kinds = {
        Status.PASS: "system-out",
        Status.FAIL: "failure",
        Status.WAIVED: "skipped",
        Status.NOT_APPLICABLE: "skipped",
        Status.NOT_JUDGED: "skipped",
    }
    assert found == sorted(
        (verdict.entry, verdict.gate, kinds.get(verdict.status, "error")) for verdict in verdicts
    )
    for node in (suites, *suites):
        counts = [
            len(node.findall(f".//{tag}")) for tag in ("testcase", "failure", "error", "skipped")
        ]
        assert [
            int(node.get(name)) for name in ("tests", "failures", "errors", "skipped")
        ] == counts


@given(st.text())
def test_junit_holds_the_text_but_what_xml_cannot_hold(text):
    (found,) = ET.fromstring(
        to_junit([Verdict(gate="params", status=Status.PASS, observed=text, expected="")])
    ).iter("system-out")
    assert (found.text or "") == as_one_line(text)


@given(VERDICTS)
def test_sarif_has_a_result_for_all_that_did_not_pass_and_a_rule_for_each(verdicts):
    document = json.loads(to_sarif(verdicts, dict.fromkeys(GATES, "Passes."), Path("a zoo/zoo.py")))
    (run,) = document["runs"]
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert (
        document["version"] == "2.1.0"
        and {f"zoo/{gate}" for gate in GATES} <= set(rules)
        and len(set(rules)) == len(rules)
    )
    assert [(result["ruleId"], "suppressions" in result) for result in run["results"]] == [
        (f"zoo/{verdict.gate}", verdict.status is Status.WAIVED) for verdict in unhappy(verdicts)
    ]
    for result, verdict in zip(run["results"], unhappy(verdicts), strict=True):
        place = result["locations"][0]["physicalLocation"]
        assert (
            rules[result["ruleIndex"]] == result["ruleId"]
            and verdict.observed in result["message"]["text"]
        )
        assert (
            unquote(place["artifactLocation"]["uri"])
            == f"a zoo/{verdict.where.split(':')[0] or 'zoo.py'}"
        )
        assert " " not in place["artifactLocation"]["uri"] and place["region"]["startLine"] == (
            31 if ":" in verdict.where else 1
        )
    assert run["invocations"] == [
        {"executionSuccessful": exit_code(verdicts) < 2, "exitCode": exit_code(verdicts)}
    ]


@given(VERDICTS)
def test_annotations_are_at_most_nine_and_one_that_counts_the_rest(verdicts):
    lines = to_annotations(verdicts, Path("zoo.py"))
    rest = max(0, len(unhappy(verdicts)) - MAX_ANNOTATIONS)
    assert len(lines) == min(len(unhappy(verdicts)), MAX_ANNOTATIONS) + bool(rest) and not any(
        "\n" in line or "\r" in line for line in lines
    )
    assert not rest or f"and {rest} more" in lines[-1]
    levels = [line.split()[0] for line in lines[:MAX_ANNOTATIONS]]
    assert levels.count("::notice") <= sum(verdict.status is Status.WAIVED for verdict in verdicts)


@given(
    st.builds(
        Verdict,
        gate=st.just("params"),
        status=st.just(Status.FAIL),
        observed=st.text(),
        expected=st.text("%\r\n:,a"),
        entry=st.text("%\r\n:,a"),
    )
)
def test_no_text_ends_an_annotation_early_or_begins_another(verdict):
    (line,) = to_annotations([replace(verdict, where="zoo.py:31")], Path("zoo.py"))
    place, _, message = line.removeprefix("::error ").partition("::")
    properties = {
        name: unquote(value) for name, value in (pair.split("=", 1) for pair in place.split(","))
    }
    assert (properties["file"], properties["line"]) == ("zoo.py", "31") and properties[
        "title"
    ].startswith(f"FAIL  {verdict.entry}: params")
    assert (
        f"found      {verdict.observed}"
        in re.sub("%(0A|0D|25)", lambda match: chr(int(match[1], 16)), message)
        or not verdict.observed
    )


def test_a_place_is_named_from_here_where_it_lies_below(tmp_path, monkeypatch):
    failure = Verdict(
        gate="params", status=Status.FAIL, observed="", expected="", where="zoo.py:31"
    )
    monkeypatch.chdir(tmp_path)
    assert "file=nets/zoo.py,line=31," in to_annotations([failure], tmp_path / "nets" / "zoo.py")[0]
    assert (
        f"file={tmp_path.parent.as_posix()}/zoo.py,line=31,"
        in to_annotations([failure], tmp_path.parent / "zoo.py")[0]
    )


@pytest.mark.parametrize("gate", ["accuracy", "claim", "params"])
def test_the_summary_names_the_images_that_a_failing_gate_missed_and_the_change_since_the_base(
    gate,
):
    failure = Verdict(gate=gate, status=Status.FAIL, entry="slim", observed="41", expected="40")
    now = Metrics(
        entry="slim",
        params=19_000,
        multiply_adds=2_000,
        misses={0: 2, 1: 1},
        missed={0: [321, 947], 1: [947]},
    )
    new = Metrics(entry="net3", params=5)
    text = to_markdown(
        [failure],
        [now, new],
        [Metrics(entry="slim", params=19_100, multiply_adds=2_000, misses={0: 1})],
    )
    assert (
        "| slim | 19,000 (-100) | 2,000 (+0) | 2 (+1) |\n"
        "| net3 | 5 (new) | not measured | not measured |" in text
    )
    assert ("- seed 0: 321, 947\n- seed 1: 947" in text) == (gate != "params")
    assert "against the base" not in to_markdown([failure], [now])


@given(VERDICTS)
def test_sarif_says_new_of_what_was_caused_here_and_unchanged_of_what_is_inherited(verdicts):
    (run,) = json.loads(to_sarif(verdicts, {}, Path("zoo.py")))["runs"]
    states = {Origin.CAUSED_HERE: "new", Origin.INHERITED: "unchanged"}
    assert [result.get("baselineState") for result in run["results"]] == [
        states.get(verdict.origin) for verdict in unhappy(verdicts)
    ]
    assert [result.get("properties", {}).get("origin") for result in run["results"]] == [
        verdict.origin for verdict in unhappy(verdicts)
    ]


@pytest.mark.parametrize(
    ("origin", "words"),
    [
        (Origin.CAUSED_HERE, "caused here"),
        (Origin.INHERITED, "inherited"),
        (Origin.UNKNOWN, "of unknown origin"),
    ],
)
def test_every_format_names_the_origin_of_a_failure(origin, words):
    failure = Verdict(
        gate="params", status=Status.FAIL, entry="slim", observed="2", expected="1", origin=origin
    )
    (annotation,) = to_annotations([failure], Path("zoo.py"))
    (problem,) = ET.fromstring(to_junit([failure])).iter("failure")
    assert f"({words})::" in annotation and problem.get("message").startswith(f"{words}: ")
    assert f"| fail ({words}) |" in to_markdown([failure])
    assert f"1 fail (1 {words}); exit code 1" in to_markdown([failure])
    assert json.loads(to_json([failure], []))["verdicts"][0]["origin"] == origin
