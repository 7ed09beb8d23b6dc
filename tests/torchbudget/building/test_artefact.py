"""Reading a captured network runs no code, whatever is written there."""

import json

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load, save

from model import Slim
from torchbudget.building.artefact import pack_network, read_network
from torchbudget.data.mnist import IMAGE
from torchbudget.declare.zoofile import load_zoo
from torchbudget.errors import NetworkError
from torchbudget.network.capture import capture
from torchbudget.network.operators import find_operation
from torchbudget.network.program import from_json, to_json
from torchbudget.network.trace import build

GRAPH, TENSORS = pack_network(capture(lambda: build(Slim), IMAGE))


def test_every_shipped_network_gives_the_same_logits_read_as_built(zoo_file):
    zoo = load_zoo(zoo_file)
    for entry in {id(entry.network): entry for entry in zoo.values()}.values():
        built = read_network({}, *pack_network(capture(lambda e=entry: build(e.network), IMAGE)))
        images = torch.randn(3, *IMAGE.shape)
        with torch.no_grad():
            expected = build(entry.network).eval()(images)
            found = built.network.evaluating.run(
                images, built.network.state, built.network.constants
            )
            assert torch.equal(found, expected), entry.name


@pytest.mark.parametrize(
    "name",
    [
        "aten::from_file.default",
        "aten::_print.default",
        "quantized::linear.default",
        "aten::__class__.default",
        "aten::conv2d",
        "os::system.default",
        "builtins.eval",
        "prim::device.default",
        "",
    ],
)
def test_no_operation_but_atens_on_tensors_is_found(name):
    with pytest.raises(NetworkError):
        find_operation(name)


def test_a_program_written_again_is_the_same():
    program = json.loads(GRAPH)["evaluating"]
    assert to_json(from_json(program)) == program


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(st.data(), JSON)
def test_a_graph_with_a_part_exchanged_is_read_or_refused(data, part):
    graph = json.loads(GRAPH)
    place: object = graph
    for _ in range(data.draw(st.integers(1, 6))):
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        key = data.draw(st.sampled_from(keys))
        if not isinstance(place[key], (dict, list)) or not place[key]:
            break
        place, last = place[key], (place, key)
    else:
        place, key = last
    place[key] = part
    built = read_network({}, json.dumps(graph).encode(), TENSORS)
    assert (built.network is None) == bool(built.error)


def swap_tensors(steps):
    steps[0], steps[1] = steps[1], steps[0]


def read_a_tensor_twice(steps):
    steps[1] = steps[0]


def take_the_images_first(steps):
    place = next(number for number, step in enumerate(steps) if step[0] == "images")
    steps[0], steps[place] = steps[place], steps[0]


def read_what_is_not_there(steps):
    steps.append(["constant", ["nowhere"], {}, "", ""])


@pytest.mark.parametrize(
    "change", [swap_tensors, read_a_tensor_twice, take_the_images_first, read_what_is_not_there]
)
@pytest.mark.parametrize("form", ["train", "evaluating"])
def test_a_graph_takes_each_tensor_that_is_counted_once_and_nothing_else(form, change):
    graph = json.loads(GRAPH)
    change(graph[form]["steps"])
    assert read_network({}, json.dumps(graph).encode(), TENSORS).error


def test_a_tensor_that_could_be_taken_for_the_images_is_refused():
    """The images have no name, and such a tensor would have none either."""
    name = json.loads(GRAPH)["state"][0]
    graph = GRAPH.replace(f'"{name}"'.encode(), b'""')
    tensors = load(TENSORS)
    tensors["state."] = tensors.pop(f"state.{name}")
    graph = graph.replace(f'"state.{name}"'.encode(), b'"state."')
    assert "does not begin with" in read_network({}, graph, save(tensors)).error


@given(st.binary(max_size=200), st.integers(0, len(GRAPH)))
def test_bytes_that_are_no_graph_are_refused(junk, cut):
    for graph, tensors in ((junk, TENSORS), (GRAPH[:cut], TENSORS), (GRAPH, junk)):
        if graph != GRAPH or tensors != TENSORS:
            assert read_network({}, graph, tensors).error
