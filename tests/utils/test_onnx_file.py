"""utils/onnx_file.py: weights are stored in half precision where that changes nothing."""

import onnx
import torch
from onnx import TensorProto, helper, numpy_helper

from utils.onnx_file import HALF_FROM, OnnxNetwork, store_in_half


def test_half_precision_is_used_where_it_is_exact_and_changes_nothing():
    generator = torch.Generator().manual_seed(0)
    exact = torch.randn((HALF_FROM, HALF_FROM), generator=generator).half().float()
    rounded = torch.randn((HALF_FROM, HALF_FROM), generator=generator)
    small = exact[:1, : HALF_FROM - 1]
    weights = {"exact": exact, "rounded": rounded, "small": small, "large": exact * 1e5}
    nodes = [
        helper.make_node("MatMul", ["images", "exact"], ["first"]),
        helper.make_node("MatMul", ["first", "rounded"], ["logits"]),
    ]
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", HALF_FROM])
        for name in ("images", "logits")
    ]
    tensors = [numpy_helper.from_array(value.numpy(), name) for name, value in weights.items()]
    graph = helper.make_graph(nodes, "graph", ends[:1], ends[1:], tensors)
    opset = helper.make_opsetid("", 18)
    model = helper.make_model(graph, opset_imports=[opset], ir_version=10)
    before = model.SerializeToString()
    store_in_half(model)
    onnx.checker.check_model(model, full_check=True)
    kinds = {tensor.name: tensor.data_type for tensor in model.graph.initializer}
    assert kinds.pop("exact.half") == TensorProto.FLOAT16
    assert kinds == dict.fromkeys(("rounded", "small", "large"), TensorProto.FLOAT)
    assert len(model.SerializeToString()) < len(before) - exact.numel()
    images = torch.randn((3, HALF_FROM), generator=generator)
    assert torch.equal(OnnxNetwork(before)(images), OnnxNetwork(model.SerializeToString())(images))
