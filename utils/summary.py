"""Print torchinfo's table of an entry's network, with the shape of each layer's output.

python -m utils.summary slim
"""

if __name__ == "__main__":
    from torchbudget.command import end_on_interrupt

    end_on_interrupt("summary")

import sys
from pathlib import Path

from torchinfo import ModelStatistics
from torchinfo import summary as summarise

from torchbudget.command import Parser, run_main
from torchbudget.declare.entry import Entry
from torchbudget.declare.zoofile import load_zoo, select_entries
from torchbudget.network.trace import build
from utils.runs import find_image

HELP = "Print torchinfo's table of an entry's network, with the shape of each layer's output."
ROOT = Path(__file__).resolve().parent.parent
COLUMNS = ("input_size", "output_size", "num_params", "mult_adds")


def describe_network(entry: Entry) -> ModelStatistics:
    """The layers of the entry's network for one image; raises `NetworkError`."""
    image = find_image(entry)
    network = build(entry.network)
    return summarise(
        network, input_size=(1, *image.shape), col_names=COLUMNS, depth=5, verbose=0, device="cpu"
    )


def show(argv: list[str] | None) -> None:
    parser = Parser(prog="summary", description=HELP)
    parser.add_argument("entry", nargs="?", default="slim")
    parser.add_argument("--zoo", type=Path, default=ROOT / "zoo.py")
    options = parser.parse_args(argv)
    (entry,) = select_entries(load_zoo(options.zoo, served=("utils",)), [options.entry])
    print(describe_network(entry))


def main(argv: list[str] | None = None) -> int:
    """Print the table; the exit code."""
    return run_main(lambda: show(argv), "summary")


if __name__ == "__main__":
    sys.exit(main())
