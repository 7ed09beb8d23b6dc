"""The pictures of the pages: the front, the blocks of a network, figures that a page can hold."""

import math
import xml.etree.ElementTree as ET
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from untrained import inspect

from model import Net3, ResNet5, Slim, SpatialTransformer
from torchbudget.data.mnist import IMAGE as FORM
from utils.pages.blocks import IMAGE, make_blocks
from utils.pages.charts import find_front
from utils.pages.curves import draw_curves
from utils.pages.diagram import draw_network
from utils.pages.vector import Point, make_figure, to_svg

SVG = "{http://www.w3.org/2000/svg}"
NAMED = '<svg xmlns="http://www.w3.org/2000/svg" '
COSTS = st.lists(st.tuples(st.floats(1, 1e6), st.floats(1, 1e3)), min_size=1, max_size=30)


@pytest.fixture(scope="module", params=[Slim, Net3, ResNet5, SpatialTransformer])
def network(request) -> type[nn.Module]:
    return request.param


@pytest.fixture(scope="module")
def inspection(network):
    return inspect(network, FORM)


@given(COSTS)
def test_the_front_holds_exactly_the_points_that_no_other_beats(points):
    front = find_front(points)
    assert all(one[0] < other[0] and one[1] > other[1] for one, other in pairwise(front))
    for cost, misses in points:
        assert any(one[0] <= cost and one[1] <= misses for one in front)
    assert set(front) <= set(points)


def test_blocks_hold_every_parameter_once_and_lead_from_image_to_logits(inspection):
    blocks = make_blocks(inspection)
    assert sum(block.params for block in blocks) == inspection.num_params
    assert math.prod(blocks[-1].shape) == FORM.num_classes
    assert IMAGE in blocks[0].inputs
    for position, block in enumerate(blocks):
        assert block.inputs and max(block.inputs) < position
    used = {source for block in blocks for source in block.inputs}
    assert used == {IMAGE, *range(len(blocks) - 1)}


def test_a_shortcut_is_a_second_input():
    joined = [block for block in make_blocks(inspect(ResNet5, FORM)) if len(block.inputs) > 1]
    assert [block.label for block in joined] == ["add", "add"]


def test_a_network_s_picture_has_a_box_for_each_block_and_the_image(network, inspection):
    blocks = make_blocks(inspection)
    picture = ET.fromstring(draw_network("it", blocks, FORM.shape).replace("<svg ", NAMED, 1))
    assert len(picture.findall(f".//{SVG}rect")) == len(blocks) + 1
    links = sum(len(block.inputs) for block in blocks)
    assert len(picture.findall(f"{SVG}path")) == links
    words = {text.text for text in picture.iter(f"{SVG}text")}
    assert {"image", *(block.label for block in blocks)} <= words


def test_curves_have_a_line_for_each_seed_and_no_colour_of_their_own_for_text(
    make_run, small_entry
):
    runs = [make_run(small_entry, seed) for seed in (0, 1)]
    text = draw_curves("it", runs)
    words = {"".join(element.itertext()) for element in ET.fromstring(text).iter(f"{SVG}text")}
    assert {"seed 0", "seed 1", "training loss", "val misses"} <= words
    assert "#000000" not in text and "currentColor" in text
    assert draw_curves("it", []) == ""


def test_a_point_is_a_link_that_says_what_it_is():
    figure = make_figure(figsize=(2, 2))
    figure.subplots().plot(1, 1, "o", gid="it-slim")
    point = Point(gid="it-slim", title='slim: 48 misses & "more"', link="entries/slim.md")
    picture = ET.fromstring(to_svg(figure, "it", "a chart", [point]))
    (link,) = picture.iter(f"{SVG}a")
    assert link.get("href") == "entries/slim.md"
    assert link.get("aria-label") == link.find(f"{SVG}title").text == point.title
    assert len(list(link)) > 1  # the drawn point is in it


def test_two_figures_of_one_page_share_no_id():
    def ids(name: str) -> set[str]:
        figure = make_figure(figsize=(2, 2))
        figure.subplots().plot([1, 2], [1, 2], marker="o")
        picture = ET.fromstring(to_svg(figure, name, "a chart"))
        return {element.get("id") for element in picture.iter() if element.get("id")}

    assert ids("one") and not ids("one") & ids("other")
