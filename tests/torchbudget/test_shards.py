"""A check in shards says what one check says, and a shard that is not there is never a pass."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from torchbudget import cli
from torchbudget.declare.zoofile import load_zoo
from torchbudget.errors import UsageError
from torchbudget.evidence.results import read_results
from torchbudget.shards import choose_entries, estimate_cost

ZOO = """
from torch import nn
from torchbudget import Budget, Entry, data

class Net(nn.Sequential):
    def __init__(self, width=3):
        super().__init__(nn.Conv2d(1, width, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
                         nn.Linear(width, 10))

class Wide(Net):
    def __init__(self):
        super().__init__(50)

ZOO = tuple(
    Entry(name=name, network=network, data=data.MNIST_SAMPLE, budget=Budget(max_params=100))
    for name, network in (("one", Net), ("two", Wide), ("three", Net))
)
"""
GATES = ["--only", "params,structure"]


@pytest.fixture
def zoo(tmp_path, monkeypatch):
    path = tmp_path / "zoo.py"
    path.write_text(ZOO, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return path


@pytest.fixture(scope="module")
def zoo_and_runs(zoo_file):
    return list(load_zoo(zoo_file).values()), read_results(zoo_file.parent / "results.json")


@given(count=st.integers(1, 24), data=st.data())
def test_each_entry_is_in_one_shard_and_none_is_left_out(zoo_and_runs, count, data):
    entries, runs = zoo_and_runs
    entries = data.draw(st.permutations(entries))[: max(count, len(entries) // 2)]
    shards = [choose_entries(entries, runs, number, count) for number in range(1, count + 1)]
    names = [entry.name for shard in shards for entry in shard]
    assert sorted(names) == sorted(entry.name for entry in entries)
    costs = [sum(estimate_cost(entry, runs) for entry in shard) for shard in shards]
    largest = max(estimate_cost(entry, runs) for entry in entries)
    assert max(costs) <= min(costs) + largest  # no shard could give another one an entry


def test_more_shards_than_entries_are_refused(zoo_and_runs):
    entries, runs = zoo_and_runs
    with pytest.raises(UsageError, match="4 shards of 3 entries"):
        choose_entries(entries[:3], runs, 1, 4)


def check(*words):
    return cli.check([*GATES, *words])


def read(path):
    return json.loads(path.read_text(encoding="utf-8"))


def test_all_shards_together_say_what_one_check_says(zoo, tmp_path, capsys):
    whole = check("--json", "whole.json")
    parts = []
    for number in (2, 1):
        parts.append(f"part{number}.json")
        check("--shard", f"{number}/2", "--json", parts[-1])
    assert cli.main(["merge-verdicts", *parts, "--json", "merged.json"]) == whole == 1
    assert read(tmp_path / "merged.json") == read(tmp_path / "whole.json")
    assert "two" in capsys.readouterr().out


def test_a_shard_that_is_missing_or_of_another_check_is_exit_code_3(zoo, tmp_path, capsys):
    for number in (1, 2, 3):
        check("--shard", f"{number}/3", "--json", f"{number}.json")

    def merge(*names):
        capsys.readouterr()
        code = cli.main(["merge-verdicts", *names])
        return code, capsys.readouterr().err

    assert merge("1.json", "3.json") == (
        3,
        "torchbudget: shard 2 of 3 is missing; run it again: --shard 2/3\n",
    )
    assert merge("1.json", "2.json", "2.json", "3.json")[0] == 3
    whole = (tmp_path / "3.json").read_text(encoding="utf-8")
    (tmp_path / "cut.json").write_text(whole[:-100], encoding="utf-8")
    code, message = merge("1.json", "2.json", "cut.json")
    assert code == 3 and "cut.json is no report" in message

    report = json.loads(whole)
    report["verdicts"].pop()
    (tmp_path / "short.json").write_text(json.dumps(report), encoding="utf-8")
    code, message = merge("1.json", "2.json", "short.json")
    assert code == 3 and "no shard judged structure" in message

    zoo.write_text(ZOO + "\n", encoding="utf-8")
    check("--shard", "2/3", "--json", "other.json")
    code, message = merge("1.json", "other.json", "3.json")
    assert code == 3 and "judged other files" in message


@pytest.mark.parametrize("shard", ["0/2", "3/2", "2", "a/b", "-1/2", "1/0"])
def test_what_is_no_shard_is_wrong_usage(zoo, shard):
    assert check(f"--shard={shard}") == 2
