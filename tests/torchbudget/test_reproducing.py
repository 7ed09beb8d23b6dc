"""`torchbudget reproduce`: what is compared how, and that the record stays as it is."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from tampering import edit
from untrained import make_zoo

from torchbudget import cli
from torchbudget.declare.zoofile import load_zoo
from torchbudget.evidence.results import Run, read_results
from torchbudget.evidence.together import append_run
from torchbudget.reproducing import choose_in_turn, compare, read_reproduced

LATER = (datetime.now(UTC) + timedelta(days=1)).isoformat(timespec="seconds")
CONFIGURED = '[tool.torchbudget]\ntrain = "cp prepared.json repeated/results.json"\n'


def change(run: Run, **changes) -> Run:
    return msgspec.structs.replace(run, **changes)


def elsewhere(run: Run, misses: int) -> Run:
    """The run on another processor, with as many of its misses."""
    missed = dict(list(run.missed.items())[:misses])
    hardware = msgspec.structs.replace(run.hardware, device="another")
    digests = msgspec.structs.replace(run.digests, weights="0" * 64)
    # a matrix in which no row but the first has errors
    total = run.test.total
    confusion = [[0] * 10 for _ in range(10)]
    confusion[0] = [total - misses, misses, *[0] * 8]
    test = msgspec.structs.replace(run.test, misses=misses)
    return change(
        run, missed=missed, hardware=hardware, digests=digests, confusion=confusion, test=test
    )


@pytest.fixture
def project(tmp_path) -> Path:
    folder = make_zoo(tmp_path)
    (folder / "pyproject.toml").write_text(CONFIGURED + 'repetitions = "repeated"\n')
    (folder / "repeated").mkdir()
    return folder


def prepare(folder: Path, run: Run) -> None:
    """What the project's train command will record in the folder of repetitions."""
    append_run(folder / "prepared.json", run)


def reproduce(folder: Path, *words: str) -> int:
    return cli.main(["reproduce", *words, "--zoo", str(folder / "zoo.py")])


def runs_of(folder: Path) -> list[Run]:
    return read_results(folder / "results.json")


def test_the_same_bytes_on_the_same_machine_are_a_reproduction_and_are_kept(project, capfd):
    before = (project / "results.json").read_bytes()
    prepare(project, change(runs_of(project)[0], started=LATER))
    assert reproduce(project, "tiny", "0") == 0
    assert "tiny-seed0-mnist_sample is reproduced" in capfd.readouterr().out
    (kept,) = read_reproduced(project / "reproduced.json").values()
    assert kept.reproduced and kept.started == LATER and "byte for byte" in kept.test
    assert (project / "results.json").read_bytes() == before


@pytest.mark.parametrize(("threads", "told"), [(1, "1"), (100_000, "unsaid")])
def test_it_trains_on_as_many_threads_as_the_run_that_it_repeats(
    project, monkeypatch, threads, told
):
    monkeypatch.setenv("OMP_NUM_THREADS", "unsaid")
    command = "sh -c 'echo $OMP_NUM_THREADS > told; cp prepared.json repeated/results.json'"
    edit(project / "pyproject.toml", "cp prepared.json repeated/results.json", command)
    run = runs_of(project)[0]
    hardware = msgspec.structs.replace(run.hardware, threads=threads)
    (project / "results.json").unlink()
    append_run(project / "results.json", change(run, hardware=hardware))
    prepare(project, change(run, hardware=hardware, started=LATER))
    assert reproduce(project, "tiny", "0") == 0
    assert (project / "told").read_text().strip() == told


def test_other_bytes_on_the_same_machine_are_none(project, capfd):
    run = runs_of(project)[0]
    digests = msgspec.structs.replace(run.digests, weights="0" * 64)
    prepare(project, change(run, started=LATER, digests=digests))
    assert reproduce(project, "tiny", "0") == 1
    assert "NOT reproduced" in capfd.readouterr().out


def test_elsewhere_the_spread_of_the_seeds_says_what_chance_does(project):
    first, second = runs_of(project)
    near = compare(first, elsewhere(first, second.test.misses), [first, second])
    assert near.reproduced and "Student's t by the spread of 2 seeds" in near.test
    three = [first, second, first, second, first, second]
    far = compare(first, elsewhere(first, 1), three)
    assert not far.reproduced and far.p < 0.01


def test_with_one_seed_the_images_say_it(project):
    first, _ = runs_of(project)
    same = compare(first, elsewhere(first, first.test.misses - 1), [first])
    assert same.reproduced and "McNemar" in same.test
    assert not compare(first, elsewhere(first, 1), [first]).reproduced


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["tiny"], 2, "give ENTRY and SEED"),
        (["nobody", "0"], 2, "nobody"),
        (["tiny", "7"], 2, "no evidence of tiny with seed 7"),
        (["tiny", "0", "--in-turn"], 2, "not both"),
        (["tiny", "x"], 2, "SEED"),
    ],
)
def test_wrong_words_are_one_line(project, capfd, words, code, message):
    assert reproduce(project, *words) == code
    error = capfd.readouterr().err
    assert message in error and error.count("\n") == 1


@pytest.mark.parametrize(
    ("train", "code", "message"),
    [
        ("", 2, "nothing says how tiny is trained"),
        ('train = "true"', 3, "recorded no tiny-seed0"),
        ('train = "no-such-program"', 2, "cannot be run"),
        ('train = "rm results.json"', 2, "changed"),
        ('train = "cp zoo.py results.json"', 2, "changed"),
    ],
)
def test_a_command_that_repeats_nothing_is_one_line(project, capfd, train, code, message):
    (project / "pyproject.toml").write_text(f"[tool.torchbudget]\n{train}\n")
    assert reproduce(project, "tiny", "0") == code
    error = capfd.readouterr().err
    assert message in error and error.count("\n") == 1


def test_an_older_repetition_is_not_taken_for_this_one(project, capfd):
    prepare(project, runs_of(project)[0])
    edit(project / "pyproject.toml", "cp prepared", "cp -p prepared")
    (project / "prepared.json").replace(project / "repeated/results.json")
    prepare(project, change(runs_of(project)[0], started="2026-01-01T00:00:00+00:00"))
    assert reproduce(project, "tiny", "0") == 3
    assert "recorded no" in capfd.readouterr().err


def test_another_training_is_no_repetition(project, capfd):
    run = runs_of(project)[0]
    prepare(project, change(run, started=LATER, recipe=run.recipe | {"epochs": 9}))
    assert reproduce(project, "tiny", "0") == 2
    assert "recipe" in capfd.readouterr().err


def test_the_fast_runs_take_turns_and_none_is_left_out(project):
    zoo = load_zoo(project / "zoo.py")
    runs = runs_of(project)
    start = datetime(2026, 11, 2, tzinfo=UTC)
    turns = [
        choose_in_turn(zoo, runs, start + timedelta(weeks=week))[1] for week in range(2 * len(runs))
    ]
    assert sorted(turns) == [0, 0, 1, 1]


def test_what_is_kept_is_kept_by_run(project):
    for seed in (0, 1):
        prepare(project, change(runs_of(project)[seed], started=LATER))
        assert reproduce(project, "tiny", str(seed)) == 0
    kept = json.loads((project / "reproduced.json").read_text())
    assert list(kept) == ["tiny-seed0-mnist_sample", "tiny-seed1-mnist_sample"]
