"""A module as an ONNX model whose weights are those of the module, bit by bit."""

import warnings
from collections.abc import Mapping

import numpy as np
import onnx
import onnx_ir.passes.common as passes
import onnxscript.optimizer
import torch
from onnx import helper, numpy_helper
from torch import nn

from utils.onnx_reader import open_session

OPSET = 18
"""The least version of ONNX's operators that has what the zoo needs, which most runtimes have."""
BATCH = "N"
"""The name of the dynamic dimension."""
HALF_FROM = 64
"""The least numbers of a tensor that is stored in half precision where it is exact."""


def to_onnx(
    module: nn.Module, example: torch.Tensor, source: str, target: str, *, dynamic: bool = True
) -> onnx.ModelProto:
    """`module` in eval mode, from an input `source` like `example` to an output `target`.

    With `dynamic`, any number of images can be given at once; else as many as in `example`, which
    has two at least. A BatchNorm is not folded into a convolution: a runtime does that when it
    loads the file. What the exporter says of the code that it read is left out.
    """
    with warnings.catch_warnings(action="ignore"):  # of the exporter, about its own code
        program = torch.onnx.export(
            module.eval(),
            (example,),
            dynamo=True,
            verbose=False,
            input_names=[source],
            output_names=[target],
            dynamic_shapes=({0: torch.export.Dim(BATCH)},) if dynamic else None,
            opset_version=OPSET,
            optimize=False,
        )
    assert program is not None
    model = program.model
    onnxscript.optimizer.inline(model)
    onnxscript.optimizer.fold_constants(model)
    for simplify in (
        passes.RemoveUnusedNodesPass(),
        passes.RemoveUnusedFunctionsPass(),
        passes.RemoveUnusedOpsetsPass(),
        passes.CommonSubexpressionEliminationPass(),
        passes.ClearMetadataAndDocStringPass(),
    ):
        simplify(model)
    proto = program.model_proto
    for value in (*proto.graph.input, *proto.graph.output, *proto.graph.value_info):
        value.ClearField("metadata_props")
    for tensor in proto.graph.initializer:
        tensor.ClearField("metadata_props")
    proto.ClearField("metadata_props")
    onnx.checker.check_model(proto)
    return proto


def store_in_half(model: onnx.ModelProto) -> None:
    """Store each large float32 tensor that float16 holds exactly as that, and cast it back.

    Weights that a zoo ships in half precision then take half the bytes and stay the same numbers.
    """
    casts = []
    for tensor in model.graph.initializer:
        if tensor.data_type != onnx.TensorProto.FLOAT:
            continue
        values = numpy_helper.to_array(tensor)
        with np.errstate(over="ignore"):
            half = values.astype(np.float16)
        if values.size < HALF_FROM or not np.array_equal(half.astype(np.float32), values):
            continue
        name = tensor.name
        tensor.CopyFrom(numpy_helper.from_array(half, f"{name}.half"))
        casts.append(helper.make_node("Cast", [f"{name}.half"], [name], to=onnx.TensorProto.FLOAT))
    for node in reversed(casts):
        model.graph.node.insert(0, node)


def describe(model: onnx.ModelProto, properties: Mapping[str, str]) -> None:
    """Write the model's metadata, in the place of what it has."""
    model.ClearField("metadata_props")
    helper.set_model_props(model, dict(properties))


class OnnxNetwork:
    """An ONNX file in ONNX Runtime, on the CPU, with as many threads as torch has."""

    def __init__(self, content: bytes) -> None:
        self.session = open_session(content, torch.get_num_threads())
        (source,) = self.session.get_inputs()
        self.source = source.name

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        """The only output for `images`."""
        (output,) = self.session.run(None, {self.source: images.numpy()})
        return torch.from_numpy(output)
