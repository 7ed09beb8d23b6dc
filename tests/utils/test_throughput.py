"""How many runs at once: measured, within the cores, and without a trace in the process."""

from argparse import Namespace
from pathlib import Path

import pytest
import torch
from tiny_zoo import ZOO

from torchbudget.building.connection import THREADS
from torchbudget.declare.zoofile import load_zoo
from torchbudget.evidence.measure import on_threads
from utils.throughput import (
    Load,
    Plan,
    choose_plan,
    choose_threads,
    find_threads,
    plan_as_asked,
)

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(("num_runs", "cores"), [(1, 1), (5, 2), (1, 2)])
def test_a_plan_keeps_to_the_cores_and_to_the_runs_that_there_are(num_runs, cores, sample):
    random, threads = torch.get_rng_state(), torch.get_num_threads()
    plan = choose_plan([Load(ZOO[0], sample.train[:200], num_runs)], cores)
    assert 1 <= plan.num_jobs * plan.threads <= cores and plan.num_jobs <= num_runs
    assert sorted(plan.step_seconds) == [1, 2][:cores] and min(plan.step_seconds.values()) > 0
    assert torch.equal(torch.get_rng_state(), random) and torch.get_num_threads() == threads


def test_the_plan_is_the_one_that_takes_the_least_time():
    load = Load(ZOO[0], [None] * 500, 10)

    def plan(**milliseconds):
        table = {int(name[1:]): value / 1000 for name, value in milliseconds.items()}
        chosen = choose_plan([load], max(table), lambda _, threads, __: table[threads])
        return chosen.num_jobs, chosen.threads

    assert plan(t1=17, t2=17) == (2, 1)
    assert plan(t1=17, t2=9) == (2, 1)
    assert plan(t1=17, t2=8) == (1, 2)
    assert plan(t1=20, t2=9, t4=8) == (2, 2)


def test_a_run_has_fewer_threads_only_where_that_is_clearly_faster():
    load = Load(ZOO[0], [None] * 500, 1)

    def threads(table):
        with on_threads(max(table)):
            return choose_threads(load, lambda _, number, __: table[number]).threads

    assert threads({1: 9}) == 1
    assert threads({1: 9, 2: 6}) == threads({1: 5, 2: 6}) == 2
    assert threads({1: 10, 2: 21}) == 1
    assert threads({1: 10, 2: 9, 4: 30}) == 2
    assert threads({1: 6, 2: 20, 4: 21}) == 1


ALONE = ZOO[0]
SHIPPED = load_zoo(ROOT / "zoo.py", served=("utils",))
TAUGHT = SHIPPED["slim_taught"]
SHORT = SHIPPED["dash"]
"""It has a schedule of one epoch."""


@pytest.mark.parametrize("entry", [ALONE, TAUGHT, SHORT], ids=lambda entry: entry.name)
def test_finding_threads_leaves_no_trace_and_obeys_the_environment(entry, sample, monkeypatch):
    for variable in THREADS:
        monkeypatch.delenv(variable, raising=False)
    random = torch.get_rng_state()
    with on_threads(2):
        assert find_threads(entry, sample.train[:1_000], "cpu") in (1, 2)
        assert torch.equal(torch.get_rng_state(), random) and torch.get_num_threads() == 2
        monkeypatch.setenv("OMP_NUM_THREADS", "2")
        assert find_threads(entry, sample.train[:0], "cpu") == 2


@pytest.mark.parametrize(
    ("words", "plan"),
    [
        ({"jobs": 3, "threads": 2}, Plan(3, 2)),
        ({"jobs": 3, "threads": 2, "ray": "auto"}, Plan(3, 2)),
        ({"ray": "auto"}, Plan(0, 1)),
    ],
)
def test_what_is_asked_for_is_taken(words, plan):
    assert plan_as_asked(Namespace(**{"jobs": None, "threads": None, "ray": None} | words)) == plan
