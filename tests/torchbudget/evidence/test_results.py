"""The record: closed, versioned, sealed, appended under a lock and never half-written."""

import json
import multiprocessing
import stat

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tampering import leaves, write_canonical

from torchbudget.errors import ResultsError
from torchbudget.evidence.results import Run, evidence_of, is_evidence, read_results, seal
from torchbudget.evidence.together import append_run


@pytest.fixture
def results(tmp_path, make_run, small_entry):
    path = tmp_path / "results.json"
    append_run(path, make_run(small_entry, 0))
    append_run(path, make_run(small_entry, 1))
    return path


def replace_leaf(document, path, value):
    holder = document
    for key in path[:-1]:
        holder = holder[key]
    holder[path[-1]] = value


def still_true(path) -> bool:
    """Whether the file is still read and every seal still fits."""
    try:
        return all(run.seal == run.expected_seal() for run in read_results(path))
    except ResultsError:
        return False


def test_what_is_written_is_read_again(results, make_run, small_entry):
    runs = read_results(results)
    assert [(run.entry, run.seed) for run in runs] == [("small", 0), ("small", 1)]
    assert runs[0] == make_run(small_entry, 0) and all(
        run.seal == run.expected_seal() for run in runs
    )


def test_no_file_is_no_runs(tmp_path):
    assert read_results(tmp_path / "results.json") == []


def test_a_repeated_run_takes_the_place_of_the_old(results, make_run, small_entry):
    append_run(results, make_run(small_entry, 1, commit="later"))
    assert [run.commit == "later" for run in read_results(results)] == [False, True]


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_any_edit_of_a_value_shows(results, data):
    text = results.read_text()
    document = json.loads(text)
    path, old = data.draw(st.sampled_from(list(leaves(document))))
    choices = st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-5, 10**6),
        st.floats(allow_nan=False, allow_infinity=False),
        st.text(max_size=8),
    )
    new = data.draw(
        choices.filter(
            lambda value: (
                json.dumps(value) != json.dumps(old)
                and not (isinstance(value, float) and value == old)
            )
        )
    )
    replace_leaf(document, path, new)
    results.write_text(write_canonical(document))
    assert not still_true(results)
    results.write_text(text)
    assert still_true(results)


@pytest.mark.parametrize(
    "rubbish",
    [
        "",
        "{",
        "[]",
        '{"schema": 1}',
        '{"schema": 2, "runs": []}',
        '{"schema": 1, "runs": [], "more": 1}',
        '{"schema": 1, "runs": [{}]}',
    ],
)
def test_what_is_no_results_file_is_named(tmp_path, rubbish):
    path = tmp_path / "results.json"
    path.write_text(rubbish)
    with pytest.raises(ResultsError, match=r"results\.json"):
        read_results(path)


def test_a_field_that_the_schema_lacks_is_refused(results):
    document = json.loads(results.read_text())
    document["runs"][0]["accuracy"] = 0.999
    results.write_text(write_canonical(document))
    with pytest.raises(ResultsError, match="accuracy"):
        read_results(results)


def test_the_same_run_twice_is_refused(results):
    document = json.loads(results.read_text())
    document["runs"].append(document["runs"][0])
    results.write_text(write_canonical(document))
    with pytest.raises(ResultsError, match="2 runs small-seed0"):
        read_results(results)


@pytest.mark.parametrize(
    "change",
    [
        {"test": {"misses": 1, "total": 1000}},
        {"confusion": [[0] * 10] * 9},
        {"missed": {}},
        {"val": {"misses": 9, "total": 5}},
    ],
)
def test_arithmetic_that_cannot_be_is_refused(make_run, small_entry, change):
    plain = msgspec.to_builtins(make_run(small_entry, 0))
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(plain | change, Run)


def test_only_an_untouched_run_of_the_entrys_own_data_is_evidence(make_run, small_entry):
    good = make_run(small_entry, 0)
    bad = [{"overrides": ["epochs=1"]}, {"dataset": "mnist"}, {"test_reads": 2}, {"entry": "other"}]
    assert is_evidence(good, small_entry)
    assert [
        is_evidence(msgspec.structs.replace(good, **change), small_entry) for change in bad
    ] == [False] * len(bad)
    assert evidence_of(small_entry, [good, make_run(small_entry, 1, test_reads=3)]) == {0: good}


def append_many(path, run: Run, seeds) -> None:
    for number in seeds:
        append_run(path, msgspec.structs.replace(run, seed=number))


def test_runs_appended_at_the_same_time_are_all_kept(tmp_path, make_run, small_entry):
    path, run = tmp_path / "results.json", make_run(small_entry, 0)
    context = multiprocessing.get_context("fork")
    workers = [
        context.Process(target=append_many, args=(path, run, range(start, 12, 3)))
        for start in range(3)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert sorted(each.seed for each in read_results(path)) == list(range(12))


def test_a_write_that_fails_leaves_the_old_file(results, make_run, small_entry, monkeypatch):
    before, run = results.read_bytes(), make_run(small_entry, 2)
    monkeypatch.setattr("os.replace", full_disk)
    with pytest.raises(OSError, match="No space"):
        append_run(results, run)
    assert results.read_bytes() == before and list(results.parent.glob(".results*")) == []


def full_disk(*_):
    raise OSError(28, "No space left on device")


def test_the_file_is_readable_by_all_and_has_a_field_on_each_line(results):
    assert stat.S_IMODE(results.stat().st_mode) == 0o644
    lines = results.read_text().splitlines()
    assert (
        sum(line.startswith('   "confusion"') for line in lines) == 2
        and json.loads(results.read_text())["schema"] == 1
    )


def test_the_seal_covers_all_but_itself(make_run, small_entry):
    run = make_run(small_entry, 0)
    assert seal(msgspec.structs.replace(run, seal="0" * 64)) == run
    assert run.expected_seal() != msgspec.structs.replace(run, steps=run.steps + 1).expected_seal()
