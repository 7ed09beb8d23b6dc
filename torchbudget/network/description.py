"""How long the description of a graph is: the information that its wiring and its literals hold.

Each operation is written as a few symbols: its name, how far back its operands are, its literal
arguments. The length is that of an adaptive code (Rissanen 1984): a symbol costs the logarithm of
how rare it has been so far in its field, a new one also its own text. What repeats is cheap, as in
a network of equal blocks; numbers that mean something only to this network are not.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from torch import fx

from torchbudget.network.nodes import kind_of
from torchbudget.network.trace import Trace

DIGIT_BITS = math.log2(10)
LETTER_BITS = 5.0
FREE_WIRING = (400.0, 7.0)
"""Bits that the wiring may need, in all and for each symbol: an operation or an operand.

Over a sample of torchvision's classification models and this zoo the most above 300 bits was 5.8 a
symbol (densenet121), of whole numbers 2.2 (swin_t); of fractions 0.04 above 160 (maxvit_t).
"""
FREE_WHOLE = (400.0, 2.8)
"""The same for whole numbers, such as sizes and indices."""
FREE_FRACTIONS = (160.0, 0.05)
"""The same for fractions, such as 0.1 and 1e-05: five numbers."""


@dataclass(frozen=True)
class Description:
    """Bits of the adaptive code of a graph: its wiring, its whole numbers, its fractions."""

    num_symbols: int
    wiring: float
    whole: float
    fractions: float

    @property
    def excess_bits(self) -> float:
        """What it holds above what honest graphs of as many symbols need."""
        parts = [
            (self.wiring, FREE_WIRING),
            (self.whole, FREE_WHOLE),
            (self.fractions, FREE_FRACTIONS),
        ]
        return sum(
            max(0.0, bits - free - free_per_symbol * self.num_symbols)
            for bits, (free, free_per_symbol) in parts
        )


def count_literals(traced: Trace) -> int:
    """Numbers of 32 bits that the wiring and the literals hold above what honest graphs need."""
    return math.ceil(describe_graph(traced).excess_bits / 32)


def describe_graph(traced: Trace) -> Description:
    """The length of the operations that the logits need, in an adaptive code."""
    code = _AdaptiveCode()
    positions: dict[fx.Node, int] = {}
    num_symbols = 0
    wiring = 0.0
    whole = 0.0
    fractions = 0.0
    for node in traced.graph.nodes:
        if node not in traced.computing:
            continue
        here = len(positions)
        positions[node] = here
        if node.op not in {"call_function", "output"}:
            continue
        num_symbols += 1 + len(node.all_input_nodes)
        wiring += code.cost("operation", kind_of(node))
        for field, value in _flatten((node.args, dict(node.kwargs)), kind_of(node)):
            if isinstance(value, fx.Node):
                wiring += _operand_cost(code, value, here - positions[value])
            elif isinstance(value, float) and not value.is_integer():
                fractions += code.cost(field, repr(value))
            else:
                whole += code.cost(field, repr(value))
    return Description(num_symbols, wiring, whole, fractions)


def _operand_cost(code: "_AdaptiveCode", operand: fx.Node, distance: int) -> float:
    """An operand is the next tensor of the network, which has not been used, or an earlier value.

    Parameters are declared in the order in which they are used: the next one needs no description.
    """
    if operand.op == "call_function":
        return code.cost("distance", str(distance))
    return code.cost("tensor", "next" if distance <= 6 else str(distance))


def _flatten(value: object, field: str) -> Iterator[tuple[str, object]]:
    """The operands and literals in an operation's arguments, each with the field it stands in."""
    if isinstance(value, dict):
        for name, part in value.items():
            yield from _flatten(part, f"{field} {name}")
    elif isinstance(value, (tuple, list)):
        yield f"{field} length", len(value)
        for index, part in enumerate(value):
            yield from _flatten(part, f"{field} {min(index, 8)}")
    elif isinstance(value, slice):
        yield from _flatten([value.start, value.stop, value.step], field)
    else:
        yield field, value


class _AdaptiveCode:
    """Costs of symbols, learned as they come; each field has its own frequencies."""

    def __init__(self) -> None:
        self._counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._texts: set[str] = set()

    def cost(self, field: str, symbol: str) -> float:
        """Bits of the next symbol of `field`; a symbol is as likely as it has been frequent."""
        counts = self._counts[field]
        total = counts.total()
        known = counts[symbol]
        bits = math.log2((total + 1) / known) if known else math.log2(total + 1)
        if not known:
            bits += self._cost_of_text(symbol)
        counts[symbol] += 1
        return bits

    def _cost_of_text(self, symbol: str) -> float:
        """Bits of a symbol that is new to its field; one that another field had is chosen."""
        if symbol in self._texts:
            return math.log2(len(self._texts) + 1)
        self._texts.add(symbol)
        digits = sum(character.isdigit() for character in symbol)
        return 1 + DIGIT_BITS * digits + LETTER_BITS * (len(symbol) - digits)
