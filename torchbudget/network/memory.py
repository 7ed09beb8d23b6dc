"""Memory that several values share: what is written to one of them shows in the others.

An operation may write through one view of a tensor, and another read through a second one; no
operand says that the second depends on the first. While operations are recorded it is made to say
so: what was written is scattered into the whole memory, and what is read later is a part of that.
`check_reads` holds any graph to it, so that what a value depends on are its operands.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import torch
from torch import fx
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils.weak import WeakTensorKeyDictionary

from torchbudget.errors import NetworkError
from torchbudget.network.nodes import (
    arguments_of,
    describe_node,
    is_reshaping,
    kind_of,
    updated_statistics,
    written_operands,
)
from torchbudget.network.private_torch import memory_of

REMEDY = "write it without an operation in place"


@dataclass(frozen=True)
class Place:
    """Where the elements of a tensor are in its memory, in elements; views of one `form` agree."""

    size: tuple[int, ...]
    stride: tuple[int, ...]
    offset: int
    form: tuple[object, ...]

    @classmethod
    def of(cls, tensor: torch.Tensor) -> "Place":
        form = (tensor.dtype, tensor.is_conj(), tensor.is_neg())
        return cls(tuple(tensor.shape), tensor.stride(), int(tensor.storage_offset()), form)

    @property
    def order(self) -> list[int]:
        """The dimensions in the order in which they lie in memory, the outermost first."""
        return sorted(range(len(self.size)), key=lambda dim: (-self.stride[dim], dim))

    def fills(self, num_elements: int) -> bool:
        """Whether it is a memory of so many elements, without a gap."""
        expected = 1
        for dim in reversed(self.order):
            if self.size[dim] != 1 and self.stride[dim] != expected:
                return False
            expected *= self.size[dim]
        return self.offset == 0 and expected == num_elements

    def overlaps(self, other: "Place", num_elements: int) -> bool:
        """Whether both have an element of a memory of so many in common; if in doubt, they do."""
        if self.form != other.form:
            return True
        memory = torch.zeros(num_elements, dtype=torch.bool)
        memory.as_strided(self.size, self.stride, self.offset).fill_(True)
        return bool(memory.as_strided(other.size, other.stride, other.offset).any())


@dataclass
class _Block:
    """One allocation: `node` gives all of it, as the tensor at `place`.

    `writes` are the places that were written to, None where no node gives what was; `is_lost` says
    that `node` lacks some of it. `first` is the node that gave it first, `is_copied` says that
    `node` has other memory, `is_kept` that it outlives the forward.
    """

    first: fx.Node
    place: Place
    num_elements: int
    node: fx.Node
    writes: list[Place | None] = field(default_factory=list)
    is_lost: bool = False
    is_copied: bool = False
    is_kept: bool = False

    @property
    def flat_size(self) -> list[int]:
        """The sizes of its dimensions, the outermost in memory first."""
        return [self.place.size[dim] for dim in self.place.order]

    def may_be_divided(self, place: Place) -> bool:
        """Whether a part of it can be given by an operation on all of it."""
        return (
            not self.is_lost
            and self.place.form == place.form
            and self.place.fills(self.num_elements)
        )


class Memory:
    """The nodes that give tensors, while operations on them are recorded.

    `make` adds an operation to the graph, with its arguments and those that it takes by name.
    """

    def __init__(self, make: Callable[..., fx.Node]) -> None:
        self._make_node = make
        self._blocks: dict[StorageWeakRef, _Block] = {}
        self._first = WeakTensorKeyDictionary()  # the node that gave each tensor
        self._given = WeakTensorKeyDictionary()  # the node that gives it now, and the writes in it
        self._copies = WeakTensorKeyDictionary()  # of the tensors that are about to be written to
        self._made: list[fx.Node] = []
        self._wholes: dict[fx.Node, fx.Node | None] = {}

    def add(self, tensor: torch.Tensor, node: fx.Node) -> None:
        """From now on `node` gives `tensor`."""
        block = self._find_block(tensor, node)
        self._first[tensor] = node
        self._given[tensor] = (node, len(block.writes) if block else 0)

    def keep(self, tensor: torch.Tensor, node: fx.Node) -> None:
        """`node` gives `tensor`, whose memory outlives the forward, as long as nothing is written.

        What is written to it is written there by `write_back`.
        """
        block = self._find_block(tensor, node)
        if block is not None and block.first is node:
            block.is_kept = True

    def first_node_of(self, tensor: torch.Tensor) -> fx.Node | None:
        """The node that gave a tensor, whatever was written to its memory since; None for none."""
        node: fx.Node | None = self._first.get(tensor)
        return node

    def node_of(self, tensor: torch.Tensor) -> fx.Node | None:
        """The node that gives a tensor as it is now; None for a constant that is not known yet.

        Raises `RuntimeError` where no node gives what was written to its memory.
        """
        block = self._block_of(tensor)
        node: fx.Node | None
        node, known = self._given.get(tensor, (None, 0))
        if block is None:
            return node
        since = block.writes[known:]
        if node is None and block.first.op == "get_attr" and not since:
            return None
        place = Place.of(tensor)
        if node is None or any(
            write is None or write.overlaps(place, _count_elements(tensor)) for write in since
        ):
            node = self._take_part(block, place)
        self._given[tensor] = (node, len(block.writes))
        return node

    def node_to_write(self, tensor: torch.Tensor) -> fx.Node | None:
        """`node_of` a tensor, for an operation that writes to it; of a copy, if it is a part.

        Where nothing reads what else the memory holds, `prune` takes the copy away.
        """
        node = self.node_of(tensor)
        block = self._block_of(tensor)
        if node is None or block is None or block.place == Place.of(tensor):
            return node
        if tensor not in self._copies:
            copy = self.make(torch.ops.aten.clone.default, (node,), tensor.shape)
            self._copies[tensor] = copy
            self._wholes[copy] = None
        made: fx.Node = self._copies[tensor]
        return made

    def write(
        self,
        tensor: torch.Tensor,
        results: Iterable[torch.Tensor] = (),
        node: fx.Node | None = None,
    ) -> None:
        """An operation has written to a tensor.

        `results`, which were added, are what it gives; `node` gives what it wrote, if they do not.
        """
        block = self._block_of(tensor)
        if block is None:
            return
        place = Place.of(tensor)
        copy = self._copies.pop(tensor, None)
        is_given = any(result is tensor for result in results)
        node = self.first_node_of(tensor) if is_given else node
        if node is not None and place == block.place:
            block.node, block.is_lost = node, False
        elif node is not None and block.may_be_divided(place):
            whole = self._scatter(self._flatten(block), node, block, place)
            block.node, block.is_copied = self._restore(block, whole), True
            if copy is not None:
                self._wholes[copy] = whole
        else:
            block.is_lost = True
        block.writes.append(None if block.is_lost else place)
        if is_given:
            self._given[tensor] = (node, len(block.writes))

    def write_back(self) -> None:
        """Write what outlives the forward to the memory that keeps it."""
        for block in self._blocks.values():
            if block.is_kept and block.is_copied:
                self._make_node(torch.ops.aten.copy_.default, (block.first, block.node))

    def prune(self) -> None:
        """Take away what was added here and is read by nothing."""
        gone = set()
        for node in reversed(self._made):
            if not node.users and node not in self._wholes:
                gone.add(node)
                node.graph.erase_node(node)
        for copy, whole in self._wholes.items():
            if whole is None or whole in gone:
                copy.replace_all_uses_with(copy.all_input_nodes[0])
                copy.graph.erase_node(copy)

    def _find_block(self, tensor: torch.Tensor, node: fx.Node) -> _Block | None:
        """The block of a tensor, made if there is none yet."""
        block = self._block_of(tensor)
        if tensor.layout == torch.strided and (block is None or not block.num_elements):
            block = _Block(node, Place.of(tensor), _count_elements(tensor), node)
            self._blocks[memory_of(tensor)] = block
        return block

    def _block_of(self, tensor: torch.Tensor) -> _Block | None:
        return self._blocks.get(memory_of(tensor)) if tensor.layout == torch.strided else None

    def _take_part(self, block: _Block, place: Place) -> fx.Node:
        if place == block.place and not block.is_lost:
            return block.node
        if not block.may_be_divided(place):
            raise RuntimeError(f"reads what was written to other memory: {REMEDY}")
        arguments = (self._flatten(block), *_as_literals(place))
        return self.make(torch.ops.aten.as_strided.default, arguments, place.size)

    def _flatten(self, block: _Block) -> fx.Node:
        """A node that gives a block with its elements in the order in which memory held them."""
        node = block.node
        order = block.place.order
        if order != sorted(order):
            node = self.make(torch.ops.aten.permute.default, (node, order), block.flat_size)
        return self.make(torch.ops.aten.contiguous.default, (node,), block.flat_size)

    def _scatter(self, flat: fx.Node, part: fx.Node, block: _Block, place: Place) -> fx.Node:
        """A node that gives `flat` with `part` at `place`.

        The gradient of `as_strided_scatter` at its first operand is wrong (torch 2.15), so that is
        a constant.
        """
        aten = torch.ops.aten

        def put(values: fx.Node, dtype: torch.dtype | None) -> fx.Node:
            options = {} if dtype is None else {"dtype": dtype}
            zeros = self.make(aten.zeros_like.default, (flat,), block.flat_size, options)
            arguments = (zeros, values, *_as_literals(place))
            return self.make(aten.as_strided_scatter.default, arguments, block.flat_size)

        ones = self.make(aten.ones_like.default, (part,), place.size, {"dtype": torch.bool})
        arguments = (put(ones, torch.bool), put(part, None), flat)
        return self.make(aten.where.self, arguments, block.flat_size)

    def _restore(self, block: _Block, flat: fx.Node) -> fx.Node:
        order = block.place.order
        if order == sorted(order):
            return flat
        back = [order.index(dim) for dim in range(len(order))]
        return self.make(torch.ops.aten.permute.default, (flat, back), block.place.size)

    def make(
        self,
        operation: Callable[..., object],
        arguments: tuple[object, ...],
        shape: Iterable[int] = (),
        options: Mapping[str, object] | None = None,
    ) -> fx.Node:
        """A node of an operation that `prune` takes away if nothing reads it."""
        node = self._make_node(operation, arguments, options)
        node.meta["shape"] = tuple(shape)
        self._made.append(node)
        return node


def _count_elements(tensor: torch.Tensor) -> int:
    """The elements that the memory of a tensor holds."""
    return tensor.untyped_storage().nbytes() // tensor.element_size()


def _as_literals(place: Place) -> tuple[list[int], list[int], int]:
    return list(place.size), list(place.stride), place.offset


def check_reads(graph: fx.Graph, values: Mapping[fx.Node, torch.Tensor]) -> None:
    """Raises `NetworkError` if an operation reads memory after another one wrote to it elsewhere.

    `values` are those of the nodes after a run in place. What an operation reads then depends on
    another that is none of its operands.
    """
    kept = {"placeholder", "get_attr"}  # their memory is there from the start
    numbers = {node: -1 if node.op in kept else number for number, node in enumerate(graph.nodes)}
    writes: dict[StorageWeakRef, list[tuple[fx.Node, fx.Node]]] = {}
    for node in graph.nodes:
        statistics = updated_statistics(kind_of(node), arguments_of(node))
        for operand in node.all_input_nodes:
            if operand in statistics or operand not in values:
                continue
            for writer, written in writes.get(memory_of(values[operand]), ()):
                if numbers[operand] < numbers[writer] and _shows(writer, written, operand, values):
                    raise NetworkError(
                        f"{describe_node(node)} reads what {describe_node(writer)} wrote to other "
                        f"memory: {REMEDY}"
                    )
        for operand in written_operands(node):
            if operand in values:
                writes.setdefault(memory_of(values[operand]), []).append((node, operand))


def _shows(
    writer: fx.Node, written: fx.Node, operand: fx.Node, values: Mapping[fx.Node, torch.Tensor]
) -> bool:
    """Whether what was written to one value shows in another one that shares its memory."""
    if is_reshaping(writer):
        return operand is written
    one, other = values[written], values[operand]
    return Place.of(one).overlaps(Place.of(other), _count_elements(one))
