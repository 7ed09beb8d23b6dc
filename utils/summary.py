"""Print the layers of an entry's network as torchinfo counts them, at 80 columns.

python -m utils.summary slim
"""

if __name__ == "__main__":
    from torchbudget.command import end_on_interrupt

    end_on_interrupt("summary")

import sys
from pathlib import Path

from rich.console import Console
from torchinfo import ModelStatistics
from torchinfo import summary as summarise
from torchinfo.layer_info import LayerInfo

from torchbudget.command import Parser, run_main
from torchbudget.declare.entry import Entry
from torchbudget.declare.zoofile import load_zoo, select_entries
from torchbudget.network.trace import build
from torchbudget.report.terminal import make_console, make_table
from torchbudget.report.terminal import show as show_on
from utils.runs import find_image

HELP = "Print the layers of an entry's network: output, parameters and multiply-adds."
ROOT = Path(__file__).resolve().parent.parent
COLUMNS = ("output_size", "num_params", "mult_adds")


def describe_network(entry: Entry) -> ModelStatistics:
    """The layers of the entry's network for one image; raises `NetworkError`."""
    image = find_image(entry)
    network = build(entry.network)
    return summarise(
        network, input_size=(1, *image.shape), col_names=COLUMNS, depth=5, verbose=0, device="cpu"
    )


def print_summary(summary: ModelStatistics, console: Console | None = None) -> None:
    """A line a layer, indented below the module that holds it; then the sums.

    Parameters that a layer shares with one above it are said to be shared, and counted once.
    """
    console = console or make_console()
    table = make_table("layer", "output", "parameters", "multiply-adds")
    table.columns[0].overflow = "fold"
    for column in table.columns[1:]:
        column.justify = "right"
        column.no_wrap = True
    seen: set[int] = set()
    for layer in summary.summary_list:
        own = layer.is_leaf_layer
        table.add_row(
            "  " * layer.depth + f"{layer.var_name}: {layer.class_name}",
            "x".join(map(str, layer.output_size[1:])),
            describe_parameters(layer, seen) if own else "",
            f"{layer.macs:,}" if own and layer.macs else "",
        )
    network = summary.summary_list[0]
    table.add_row("total", "", f"{network.num_params:,}", f"{summary.total_mult_adds:,}")
    show_on(console, table)


def describe_parameters(layer: LayerInfo, seen: set[int]) -> str:
    """How many parameters a layer has, "10 + 90 shared", by those that were `seen` before it."""
    parameters = list(layer.module.parameters())
    shared = sum(parameter.numel() for parameter in parameters if id(parameter) in seen)
    seen.update(map(id, parameters))
    own = layer.num_params - shared
    words = [f"{own:,}"] if own else []
    if shared:
        words.append(f"{shared:,} shared")
    return " + ".join(words)


def show(argv: list[str] | None) -> None:
    parser = Parser(prog="summary", description=HELP)
    parser.add_argument("entry", nargs="?", default="slim")
    parser.add_argument("--zoo", type=Path, default=ROOT / "zoo.py")
    options = parser.parse_args(argv)
    (entry,) = select_entries(load_zoo(options.zoo, served=("utils",)), [options.entry])
    print_summary(describe_network(entry))


def main(argv: list[str] | None = None) -> int:
    """Print the table; the exit code."""
    return run_main(lambda: show(argv), "summary")


if __name__ == "__main__":
    sys.exit(main())
