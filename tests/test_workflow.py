"""The workflow and the action: of their schemas, pinned, with the least that they may do."""

import re
import shutil
import subprocess
import sys
import sysconfig

import pytest
import yaml
from test_repository import JOBS, MAKEFILE, ROOT, STEPS, WORKFLOW


@pytest.mark.parametrize(
    "schema", ["vendor.github-workflows", "custom.github-workflows-require-timeout"]
)
def test_the_workflow_is_of_the_schema_and_the_schema_bites(schema, tmp_path):
    broken = tmp_path / "broken.yml"
    broken.write_text(re.sub(r" +(runs-on|timeout-minutes): .*\n", "", WORKFLOW.read_text()))
    results = [
        subprocess.run(
            [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, path],
            capture_output=True,
            text=True,
        )
        for path in (WORKFLOW, broken)
    ]
    assert [result.returncode for result in results] == [0, 1], results[0].stdout


def test_the_workflow_may_only_read_but_for_the_comment_on_a_pull_request():
    assert yaml.safe_load(WORKFLOW.read_text())["permissions"] == {"contents": "read"}
    granted = {name: job["permissions"] for name, job in JOBS.items() if "permissions" in job}
    assert granted == {"gates": {"contents": "read", "pull-requests": "write"}}
    given = [step["run"] for step in STEPS if "github.token" in str(step)]
    assert given == ["make comment"]


def test_only_githubs_own_actions_are_used_each_pinned_by_its_commit():
    lines = WORKFLOW.read_text().splitlines() + (ROOT / "action.yml").read_text().splitlines()
    uses = [line.partition("uses: ")[2] for line in lines if "uses: " in line]
    pinned = re.compile(r"(actions/[a-z-]+)@[0-9a-f]{40} # v\d+\.\d+\.\d+")
    assert len(uses) > 10 and [line for line in uses if not pinned.fullmatch(line)] == []
    assert len(set(uses)) == len({line.partition("@")[0] for line in uses})


def test_no_checkout_leaves_its_token_behind():
    checkouts = [step for step in STEPS if step.get("uses", "").startswith("actions/checkout@")]
    assert checkouts
    assert all(step["with"]["persist-credentials"] is False for step in checkouts)


@pytest.mark.parametrize("linter", ["actionlint", "zizmor"])
def test_make_lint_finds_a_fault_in_a_workflow(linter, tmp_path):
    (line,) = [
        line.replace('"$(SCRIPTS)/', f'"{sysconfig.get_path("scripts")}/')
        for line in MAKEFILE.read_text().splitlines()
        if f"$(SCRIPTS)/{linter}" in line
    ]
    shutil.copytree(ROOT / ".github", tmp_path / ".github")
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    workflow = tmp_path / ".github/workflows" / WORKFLOW.name
    codes = [subprocess.run(line, shell=True, cwd=tmp_path, capture_output=True).returncode]
    injection = "      - run: echo ${{ github.event.pull_request.title }}\n      - run: make lint\n"
    workflow.write_text(workflow.read_text().replace("      - run: make lint\n", injection, 1))
    codes.append(subprocess.run(line, shell=True, cwd=tmp_path, capture_output=True).returncode)
    assert codes[0] == 0 and codes[1] != 0


def test_every_part_of_the_check_is_merged_and_only_a_pull_request_takes_verdicts_over():
    shards, gates = JOBS["shards"], JOBS["gates"]
    parts = shards["strategy"]["matrix"]["part"]
    (judge,) = [step for step in shards["steps"] if "make check" in step.get("run", "")]
    assert f"--shard $PART/{len(parts)} --json reports/part-$PART.json $BASE" in judge["run"]
    begin = "${{ github.event.pull_request && format('--base={0} --since={0} "
    assert judge["env"]["BASE"].startswith(begin)
    (merge,) = [step for step in gates["steps"] if "make merge-verdicts" in step.get("run", "")]
    assert re.findall(r"reports/part-(\d+)\.json", merge["run"]) == [str(part) for part in parts]
    assert parts == list(range(1, len(parts) + 1))
    assert gates["needs"] == "shards" and gates["if"] == "${{ !cancelled() }}"


def test_a_push_alone_keeps_the_verdicts_that_pull_requests_take_over():
    kept = [
        (name, step["if"], step["with"]["key"])
        for name, job in JOBS.items()
        for step in job["steps"]
        if step.get("with", {}).get("path") == "reports/pushed.json"
    ]
    assert kept == [
        (
            "shards",
            "github.event_name == 'pull_request'",
            "verdicts-${{ github.event.pull_request.base.sha }}",
        ),
        ("gates", "github.event_name == 'push'", "verdicts-${{ github.sha }}"),
    ]
    (merge,) = [step for step in JOBS["gates"]["steps"] if "merge-verdicts" in str(step)]
    assert merge["env"]["VERDICTS"].startswith("${{ github.event_name == 'push' && 'reports/pushed")
