"""How many runs at once: measured, within the cores, and without a trace in the process."""

from argparse import Namespace

import pytest
import torch
from tiny_zoo import ZOO

from utils.throughput import Load, Plan, choose_plan, plan_as_asked


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
