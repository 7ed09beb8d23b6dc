"""The gates on one run, by `check.py` in a process of its own."""

import subprocess
import sys
from pathlib import Path

from torchbudget.declare.entry import Entry
from torchbudget.evidence.results import Run
from utils.run_report import why_no_evidence
from utils.runs import Store, put_in_place
from utils.runs_at_once import Setting

CHECK = Path(__file__).resolve().parent.parent / "check.py"


def judge_run(result: Run, entry: Entry, setting: Setting) -> int:
    """The exit code of check.py for a run; a repetition is judged in the place of the shipped run.

    A run that is no evidence is judged by the gates that need none.
    """
    paths = setting.paths
    if why_no_evidence(result, entry):
        print(f"Judged are params and structure of {entry.name}, as the zoo declares it:")
        return check(entry, setting, paths.shipped, "--only", "params,structure")
    shipped = paths.shipped.find(result.stem)
    if shipped and shipped.seal == result.seal:
        return check(entry, setting, paths.shipped)
    with put_in_place(result, entry, paths) as store:
        print("The gates on this run, in the place of the shipped one:", flush=True)
        return check(entry, setting, store)


def check(entry: Entry, setting: Setting, store: Store, *words: str) -> int:
    """Judge `entry` by the runs of a store; the exit code."""
    command = [sys.executable, CHECK, entry.name, "--zoo", setting.zoo_file, *words]
    command += ["--weights", store.weights]
    if store.results.is_file():
        command += ["--results", store.results]
    if setting.data_root:
        command += ["--data-root", setting.data_root]
    return subprocess.run(command, check=False).returncode
