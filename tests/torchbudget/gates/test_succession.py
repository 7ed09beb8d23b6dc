"""Renames, splits and swaps: each entry is compared with what it was, and nothing slips out."""

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from torchbudget.gates.succession import Identity, find_predecessors


def identity(network: str, *weights: str, dataset: str = "mnist") -> Identity:
    return Identity(dataset=dataset, weights=frozenset(weights), digest_network=lambda: network)


def predecessors(now: dict[str, Identity], then: dict[str, Identity]) -> dict[str, tuple]:
    return {name: find_predecessors(name, now, then) for name in now}


BASE = {"a": identity("A", "a0", "a1"), "b": identity("B", "b0"), "c": identity("C")}
IDENTITIES = st.builds(
    lambda network, weights: identity(network, *weights),
    st.sampled_from(["", "A", "B", "C"]),
    st.sets(st.sampled_from(["a0", "a1", "b0", "c0"])),
)
ZOOS = st.dictionaries(st.sampled_from("abcd"), IDENTITIES, max_size=4)


@pytest.mark.parametrize("names", list(permutations("abc")))
def test_entries_that_swap_names_are_compared_with_what_they_were(names):
    now = {name: BASE[was] for name, was in zip(names, BASE, strict=True)}
    assert predecessors(now, BASE) == {name: (was,) for name, was in zip(names, BASE, strict=True)}


@pytest.mark.parametrize(
    "renamed",
    [identity("A", "a0", "a1"), identity("A", "new"), identity("other", "a1"), identity("A")],
    ids=["as it was", "trained again", "another network with its weights", "without a record"],
)
def test_a_renamed_entry_is_recognised_by_its_weights_or_its_network(renamed):
    now = {"new": renamed, "b": BASE["b"], "c": BASE["c"]}
    assert find_predecessors("new", now, BASE) == ("a",)


def test_both_halves_of_a_split_are_compared_with_the_whole():
    halves = {"a": identity("A", "a0"), "a2": identity("A", "a1"), "b": BASE["b"]}
    assert predecessors(halves, BASE) == {"a": ("a",), "a2": ("a",), "b": ("b",)}
    renamed = {"x": identity("A", "a0"), "y": identity("A", "a1")}
    assert predecessors(renamed, BASE) == {"x": ("a",), "y": ("a",)}


def test_a_wider_network_under_a_kept_name_is_compared_by_the_name():
    now = {"a": identity("wide", "w0"), "old": BASE["a"]}
    assert predecessors(now, BASE) == {"a": ("a",), "old": ("a",)}


def test_a_new_entry_or_a_copy_of_one_that_is_kept_has_no_predecessor():
    now = BASE | {"new": identity("N", "n0"), "copy": BASE["a"]}
    assert predecessors(now, BASE) == {
        **{name: (name,) for name in BASE},
        "new": (),
        "copy": (),
    }


def test_a_network_on_other_images_is_another_entry():
    now = {"new": identity("A", dataset="easier")}
    assert find_predecessors("new", now, BASE) == ()


@given(ZOOS, ZOOS)
def test_every_name_that_is_kept_is_compared_with_its_namesake_or_another_entry_is(now, then):
    compared = {was for names in predecessors(now, then).values() for was in names}
    assert set(now) & set(then) <= compared


@given(ZOOS)
def test_a_zoo_that_did_not_change_is_compared_name_by_name(zoo):
    assert predecessors(zoo, zoo) == {name: (name,) for name in zoo}
