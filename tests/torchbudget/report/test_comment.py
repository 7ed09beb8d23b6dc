"""The comment on a pull request: short enough, in order, and harmless whatever its text is."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from torchbudget.report.comment import MAX_CHARACTERS, to_comment
from torchbudget.report.comparison import Base, Comparison, Flip
from torchbudget.report.drawing import draw_as_text, put_side_by_side
from torchbudget.report.metrics import Metrics
from torchbudget.report.verdict import Origin, Status, Verdict

BASE = Base(commit="0123456789abcdef")
PICTURE = ("\u2580\u2584", "\u2588 ")
HOSTILE = (
    "@octocat #1 http://example.org",
    "`@octocat`",
    "a | b | c",
    "a\\|b",
    "<img src=x>",
    "</details>",
    "~~~~~~~~",
    "\n~~~~~~~~\n@octocat",
    "![a](b)",
    "**bold**",
    "\n\n<b>",
)


def metrics(name: str, params: int | None = 10, misses: int | None = 5) -> Metrics:
    counts = {} if misses is None else {0: misses}
    return Metrics(entry=name, params=params, multiply_adds=7, weight_bytes=8, misses=counts)


def verdict(entry: str, status: Status = Status.PASS, **texts: object) -> Verdict:
    fields = {"observed": "found", "expected": "wanted"} | texts
    return Verdict(gate="accuracy", status=status, entry=entry, **fields)


def flip(index: int) -> Flip:
    return Flip(index=index, label=3, then=3, now=5, seeds=(0,), picture=PICTURE)


def outside_code(comment: str) -> str:
    """What GitHub reads as Markdown and HTML: all but blocks and spans of code, and their marks."""
    text = re.sub(r"^~{8}\n.*?^~{8}$", "", comment, flags=re.MULTILINE | re.DOTALL)
    text = re.sub(r"<summary><code>[^<>]*</code>", "<summary>", text)
    return re.sub(r"`[^`\n]*`", "", text)


@given(st.text())
@example("`")
def test_text_of_others_stands_in_code_only(text):
    name = f"{text}@octocat<img>"
    comparison = Comparison(now=metrics(name), then=metrics(f"{name}!", 11), lost=(flip(1),))
    comment = to_comment([verdict(name, Status.FAIL, observed=name)], [comparison], BASE)
    assert "@octocat" in comment
    left = outside_code(comment)
    assert "@" not in left and "<img" not in left and "`" not in left
    assert set(re.findall(r"</?[^>]*>", left)) == {
        "<details>",
        "</details>",
        "<summary>",
        "</summary>",
    }


@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_ends_its_cell_or_its_block(text):
    comparison = Comparison(now=metrics(text), then=metrics(text, 11))
    comment = to_comment(
        [verdict(text, Status.FAIL, observed=text, remedy=text, details=(text,))],
        [comparison],
        BASE,
    )
    rows = [line for line in comment.splitlines() if line.startswith("|")]
    assert rows and {row.count("|") for row in rows} == {6}
    assert len(re.findall(r"^~{8}", comment, re.MULTILINE)) == 2


def test_failures_come_first_and_what_is_unchanged_is_folded():
    entries = [
        Comparison(now=metrics("same"), then=metrics("same")),
        Comparison(now=metrics("fewer", misses=4), then=metrics("fewer")),
        Comparison(now=metrics("more", misses=6), then=metrics("more")),
        Comparison(now=metrics("fresh"), then=None),
        Comparison(now=None, then=metrics("gone")),
        Comparison(now=metrics("broken"), then=metrics("broken")),
    ]
    verdicts = [verdict(entry.entry) for entry in entries[:-2]]
    verdicts.append(verdict("broken", Status.FAIL, origin=Origin.INHERITED))
    comment = to_comment(verdicts, entries, BASE)
    assert "1 worse, 1 better, 1 new, 1 removed, 2 unchanged" in comment
    shown, _, folded = comment.partition("<details>")
    assert "`same`" in folded and "`same`" not in shown
    order = [shown.index(f"`{name}`") for name in ("broken", "more", "fewer", "fresh", "gone")]
    assert order == sorted(order)
    assert "| misses, worst seed | 5 | 6 | +1 (+20.0 %) |" in shown
    assert "| verdict | fail: accuracy | **fail: accuracy** | inherited |" in shown
    assert shown.index("FAIL  broken: accuracy") < order[0]


def test_numbers_that_rise_and_fall_are_neither_better_nor_worse():
    mixed = Comparison(now=metrics("a", params=11, misses=4), then=metrics("a"))
    assert mixed.outcome == "changed"
    assert Comparison(now=metrics("a", misses=None), then=metrics("a")).outcome == "unchanged"
    assert Comparison(now=metrics("a"), then=metrics("b")).outcome == "changed"
    assert Comparison(now=metrics("a"), then=metrics("a"), won=(flip(0),)).outcome == "changed"


def test_without_a_base_or_a_zoo_there_the_comment_says_so():
    entries = [Comparison(now=metrics("slim"), then=None)]
    alone = to_comment([verdict("slim")], entries, None)
    assert "no base was given" in alone and "1 entries" in alone
    first = to_comment([verdict("slim")], entries, Base(commit="abc", has_zoo=False))
    assert "There is no zoo file at the base, `abc`: every entry is new." in first
    assert "| `slim` new | parameters |  | 10 |  |" in first


def test_a_comment_of_any_size_is_short_enough_and_says_what_it_lacks():
    flips = tuple(map(flip, range(40)))
    entries = [
        Comparison(now=metrics("n" * 70 + str(number)), then=metrics("o"), lost=flips, won=flips)
        for number in range(300)
    ]
    verdicts = [verdict(entry.entry, Status.FAIL, observed="w" * 500) for entry in entries]
    comment = to_comment(verdicts, entries, BASE)
    assert len(comment) <= MAX_CHARACTERS
    assert "And 290 more, in the log." in comment and "More was left out" in comment
    assert comment.count("<details>") == comment.count("</details>")


# --- pictures -------------------------------------------------------------------------------------


def test_a_picture_has_ink_where_the_image_is_light():
    assert draw_as_text([[0, 9, 9], [0, 0, 9], [9, 0, 0]]) == (" \u2580\u2588", "\u2580  ")
    assert draw_as_text([[5, 5]]) == ("  ",)


@given(st.lists(st.lists(st.integers(0, 255), min_size=5, max_size=5), min_size=1, max_size=9))
def test_every_light_pixel_is_half_a_block(pixels):
    values = [value for row in pixels for value in row]
    light = sum(2 * value > min(values) + max(values) for value in values)
    text = "".join(draw_as_text(pixels))
    assert light == sum(text.count(half) for half in "\u2580\u2584") + 2 * text.count("\u2588")


def test_pictures_stand_in_rows_below_their_captions():
    lines = put_side_by_side([("a", ("12", "34")), ("b", ("5",)), ("c", ("6",))], per_row=2)
    assert lines == ["a   b", "12  5", "34", "", "c", "6"]
