"""Multiply-adds by a formula for each operation that multiplies numbers with numbers and adds up.

Composite operations are counted as what they decompose into: a recurrent layer, an einsum and
attention as their matrix products. Operations on single elements, reductions, and what moves data
hold no such products. Any other operation has no rule: it is listed, never taken as free.
"""

import math
from collections import Counter
from collections.abc import Callable

import torch
from torch import nn

from torchbudget.data.images import ImageSpec
from torchbudget.network.captured import Network
from torchbudget.network.private_torch import (
    Operation,
    OperationMode,
    inner_network,
    is_view,
    name_of,
    run_eagerly,
    without_fast_attention,
)

Formula = Callable[..., int]


def _count_convolution(
    x: torch.Tensor,
    weight: torch.Tensor,
    bias: object,
    stride: object,
    padding: object,
    dilation: object,
    transposed: bool,
    *rest: object,
    out: torch.Tensor,
) -> int:
    positions = x if transposed else out
    return len(x) * math.prod(positions.shape[2:]) * weight.numel()


def _count_product(first: torch.Tensor, second: torch.Tensor, *rest: object, out: object) -> int:
    """(..., n, k) by (..., k, m), or by a vector (k)."""
    columns = second.shape[-1] if second.ndim > 1 else 1
    return first.numel() * columns


def _count_added_product(
    added: object, first: torch.Tensor, second: torch.Tensor, *rest: object, out: object
) -> int:
    return _count_product(first, second, out=out)


def _count_attention(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, *rest: object, out: object
) -> int:
    """Scores (..., L, S) and their product with the values."""
    return query.numel() * key.shape[-2] + query.numel() // query.shape[-1] * value.numel() // (
        math.prod(value.shape[:-2])
    )


def _count_distances(
    first: torch.Tensor, second: torch.Tensor, *rest: object, out: torch.Tensor
) -> int:
    return out.numel() * first.shape[-1]


def _count_recurrent(
    x: torch.Tensor,
    input_weight: torch.Tensor,
    hidden_weight: torch.Tensor,
    *rest: object,
    out: object,
) -> int:
    """One layer in one direction: (L, N, features), each step through both matrices."""
    steps = x.numel() // x.shape[-1]
    return steps * (input_weight.numel() + hidden_weight.numel())


def _count_transform(x: torch.Tensor, dims: list[int], *rest: object, out: torch.Tensor) -> int:
    """A fast Fourier transform of n numbers: n log2 n multiply-adds (Cooley & Tukey 1965)."""
    largest = out if out.numel() > x.numel() else x
    lengths = math.prod(largest.shape[dim] for dim in dims)
    return int(largest.numel() * math.log2(max(lengths, 2)))


def _count_elements(*operands: object, out: object) -> int:
    """One addition for each element of the largest operand."""
    return max(operand.numel() for operand in operands if isinstance(operand, torch.Tensor))


FORMULAS: dict[str, Formula] = {
    "convolution": _count_convolution,
    "_convolution": _count_convolution,
    "mm": _count_product,
    "bmm": _count_product,
    "mv": _count_product,
    "dot": _count_product,
    "vdot": _count_product,
    "addmm": _count_added_product,
    "addmv": _count_added_product,
    "addbmm": _count_added_product,
    "baddbmm": _count_added_product,
    "_scaled_dot_product_flash_attention_for_cpu": _count_attention,
    "_scaled_dot_product_flash_attention": _count_attention,
    "_scaled_dot_product_efficient_attention": _count_attention,
    "_scaled_dot_product_fused_attention_overrideable": _count_attention,
    "_cdist_forward": _count_distances,
    "_euclidean_dist": _count_distances,
    "_pdist_forward": _count_distances,
    "mkldnn_rnn_layer": _count_recurrent,
    "_fft_r2c": _count_transform,
    "_fft_c2r": _count_transform,
    "_fft_c2c": _count_transform,
    "scatter_add": _count_elements,
    "scatter_add_": _count_elements,
    "scatter_reduce": _count_elements,
    "index_add": _count_elements,
    "index_add_": _count_elements,
    "index_put": _count_elements,
    "index_put_": _count_elements,
    "_index_put_impl_": _count_elements,
    "segment_reduce": _count_elements,
    "_embedding_bag": _count_elements,
}

MOVES_DATA = set(
    """
    alias arange cat clone contiguous constant_pad_nd copy copy_ detach empty empty_like
    empty_strided eye fill fill_ flip full full_like gather index index_copy index_fill
    index_select lift_fresh_copy lift_fresh linspace logspace masked_fill masked_fill_
    masked_scatter masked_select new_empty new_full new_ones new_zeros ones ones_like
    pixel_shuffle pixel_unshuffle rand rand_like randn randn_like randint randperm reflection_pad1d
    reflection_pad2d repeat replication_pad1d replication_pad2d roll scalar_tensor scatter scatter_
    slice_scatter select_scatter stack tril triu where zero_ zeros zeros_like embedding
    one_hot channel_shuffle im2col col2im unfold_copy bernoulli bernoulli_ uniform_ normal_
    _local_scalar_dense is_nonzero item resize_ resize_as_ set_ split_with_sizes_copy _to_copy
    getitem nonzero empty_permuted new_empty_strided multinomial exponential_ random_
    tril_indices triu_indices _unsafe_view _reshape_alias _reshape_copy as_strided
    as_strided_scatter _unsafe_index
    """.split()
)
POOLS_AND_NORMS = set(
    """
    _adaptive_avg_pool2d _adaptive_avg_pool3d adaptive_max_pool2d adaptive_max_pool3d avg_pool2d
    avg_pool3d max_pool2d_with_indices max_pool3d_with_indices max_unpool2d fractional_max_pool2d
    mkldnn_max_pool2d _fused_dropout native_dropout native_batch_norm _native_batch_norm_legit
    _native_batch_norm_legit_functional _native_batch_norm_legit_no_training
    _batch_norm_with_update _batch_norm_no_update
    native_layer_norm native_group_norm native_channel_shuffle _softmax _log_softmax logsumexp
    mean sum prod amax amin max min argmax argmin any all std var var_mean std_mean norm
    linalg_vector_norm cumsum cumprod cummax cummin logcumsumexp sort topk kthvalue median
    upsample_nearest1d upsample_nearest2d upsample_bilinear2d upsample_bicubic2d upsample_linear1d
    grid_sampler_2d grid_sampler_3d affine_grid_generator _prelu_kernel glu rrelu_with_noise
    bucketize searchsorted histc count_nonzero renorm lerp addcmul addcdiv polar complex
    _weight_norm_interface _fused_rms_norm hardswish leaky_relu log_sigmoid_forward
    _safe_softmax aminmax unique_dim _unique2
    """.split()
)
"""Operations whose cost is a few steps for each element: no products of many numbers."""


class MultiplyAddsCounter(OperationMode):
    """Counts in `multiply_adds` those of all operations that run under it.

    `uncounted` holds how often each operation ran that no rule counts.
    """

    def __init__(self) -> None:
        super().__init__()
        self.multiply_adds = 0
        self.uncounted: Counter[str] = Counter()

    def __torch_dispatch__(
        self,
        func: Operation,
        types: tuple[type, ...],
        args: tuple[object, ...] = (),
        kwargs: dict[str, object] | None = None,
    ) -> object:
        kwargs = kwargs or {}
        name = name_of(func)
        formula = FORMULAS.get(name)
        if formula is None and func is not torch.ops.prim.device.default:
            with self:  # in inference mode the parts of a composite operation do not come by
                value: object = func.decompose(*args, **kwargs)
            if value is not NotImplemented:
                return value
        value = func(*args, **kwargs)
        if formula is not None:
            operands = [*args, *kwargs.values()]
            self.multiply_adds += formula(*operands, out=value)
        elif not _is_cheap(func, name):
            self.uncounted[name] += 1
        return value


def _is_cheap(func: Operation, name: str) -> bool:
    """Whether an operation works on single elements, reduces them, or only moves them."""
    if {torch.Tag.pointwise, torch.Tag.reduction} & set(func.tags) or is_view(func):
        return True
    plain = name.rstrip("_")
    return (
        name in MOVES_DATA | POOLS_AND_NORMS
        or plain in MOVES_DATA | POOLS_AND_NORMS
        or (func.namespace == "prim" or _is_pointwise_in_place(name))
    )


def _is_pointwise_in_place(name: str) -> bool:
    """Whether `name` is the in-place form of an operation on single elements."""
    packet = getattr(torch.ops.aten, name.rstrip("_"), None) if name.endswith("_") else None
    if packet is None:
        return False
    return any(
        torch.Tag.pointwise in getattr(packet, overload).tags for overload in packet.overloads()
    )


def count_multiply_adds(network: nn.Module, image: ImageSpec) -> int:
    """Multiply-adds of a module for one image."""
    was_training = network.training
    counter = MultiplyAddsCounter()
    with torch.no_grad(), run_eagerly(), without_fast_attention(), counter:
        inner_network(network.eval())(torch.zeros(1, *image.shape))
    network.train(was_training)
    return counter.multiply_adds


def count_captured(network: Network) -> int:
    """Multiply-adds of the eval form for one image, as the formulas count them."""
    state = {name: tensor.clone() for name, tensor in network.state.items()}
    counter = MultiplyAddsCounter()
    with torch.no_grad(), counter:
        network.evaluating.run(torch.zeros(1, *network.image.shape), state, network.constants)
    return counter.multiply_adds
