"""utils/onnx_check.py: what may differ between ONNX Runtime and torch, and what may not."""

import sys

import pytest
import torch

import utils
from torchbudget.evidence.measure import Measurement
from torchbudget.evidence.rounding import rounding_margin
from utils.onnx_check import ExportError, MismatchError, compare, load_onnx

MARGIN = rounding_margin(30)


def measurement(*rows: list[float]) -> Measurement:
    return Measurement(torch.tensor(rows).float(), torch.zeros(len(rows), dtype=torch.long))


def test_a_flip_is_excused_only_where_its_logits_are_tied_but_for_rounding():
    tie = 10 * MARGIN / 2
    tied = measurement([10, 10 - tie, 0], [0, 10, 0])
    given = measurement([10 - tie, 10, 0], [0, 10, 0]).logits.softmax(1)
    assert compare("net", given, tied, MARGIN) == [(0, 0, 1)]
    with pytest.raises(MismatchError, match=r"1 of 2 test images .* #0 0->1; nothing is written"):
        compare("net", given, tied, MARGIN / 4)


def test_probabilities_may_differ_by_rounding_and_no_more():
    measured = measurement([3, 1, 2], [1, 2, 3])
    given = measured.logits.softmax(1)
    nudge = torch.tensor([1.0, 0.0, -1.0]) * MARGIN * 3  # relative to the largest logit
    assert compare("net", given + 0.9 * nudge, measured, MARGIN) == []
    with pytest.raises(MismatchError, match="for 2 of 2 test images are not torch's"):
        compare("net", given + 1.1 * nudge, measured, MARGIN)


def test_probabilities_of_another_shape_or_that_are_no_numbers_are_refused():
    measured = measurement([3, 1, 2], [1, 2, 3])
    given = measured.logits.softmax(1)
    assert compare("net", given, measured, MARGIN) == []
    for wrong in (given[:1], given[:, :2]):
        with pytest.raises(MismatchError, match="probabilities in ONNX Runtime"):
            compare("net", wrong, measured, MARGIN)
    broken = given.clone()
    broken[1, 0] = float("nan")
    with pytest.raises(MismatchError):
        compare("net", broken, measured, MARGIN)


def test_without_the_packages_of_onnx_one_line_says_what_to_install(monkeypatch):
    monkeypatch.delattr(utils, "onnx_file", raising=False)
    monkeypatch.delitem(sys.modules, "utils.onnx_file", raising=False)
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ExportError) as caught:
        load_onnx()
    said = "onnx is not installed: pip install -r requirements-dev.txt"
    assert (str(caught.value), caught.value.exit_code) == (said, 3)
