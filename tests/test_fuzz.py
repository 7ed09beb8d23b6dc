"""A small sample of `make fuzz`: mutated inputs break no reader and no command."""

import pytest
from fuzz.sweep import AREAS, try_area

SAMPLED = 15
"""Inputs of each area."""


@pytest.mark.parametrize("area", AREAS)
def test_no_mutated_input_breaks_the_law(area, tmp_path):
    outcome = try_area(area, SAMPLED, seed=20, folder=tmp_path)
    assert outcome.tried == SAMPLED
    assert outcome.broke == []
