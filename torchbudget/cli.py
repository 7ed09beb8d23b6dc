"""The command `torchbudget`: its words, and which of them does what.

This module imports neither torch nor numpy: help, the version and wrong usage are answered at once.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from torchbudget import __version__
from torchbudget.building.connection import start_server
from torchbudget.command import (
    Parser,
    let_threads_sleep,
    positive_number,
    positive_whole_number,
    run_main,
    whole_number,
)
from torchbudget.heap import importing_torch
from torchbudget.options import add_report_options, check_report_options, parse_check_options
from torchbudget.project import find_zoo
from torchbudget.usage import MAIN, MERGE_RESULTS, MERGE_VERDICTS, RECORD, REPRODUCE


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command `torchbudget` and return its exit code."""
    words = sys.argv[1:] if argv is None else list(argv)
    if words[:1] == ["check"]:
        return check(words[1:])
    return run_main(lambda: _dispatch(words), "torchbudget")


def check(
    argv: Sequence[str] | None = None,
    *,
    default_zoo: Path | None = None,
    prog: str = "torchbudget check",
) -> int:
    """Judge a zoo as the words say and return the exit code.

    `default_zoo` is judged where no --zoo is given; by default the project's. Messages begin with
    `prog`.
    """
    words = sys.argv[1:] if argv is None else list(argv)
    return run_main(lambda: _check(words, default_zoo, prog), prog, outlive_reader=True)


def _dispatch(words: list[str]) -> int:
    """Run a command other than `check`, whose words `check` parses."""
    options = make_main_parser().parse_args(words)
    run: Callable[[argparse.Namespace], int] = options.run
    return run(options)


def _check(words: list[str], default_zoo: Path | None, prog: str) -> int:
    options = parse_check_options(words, prog)
    let_threads_sleep()
    if options.explain:
        return _explain(argparse.Namespace(gate=options.explain))
    if options.zoo is None:
        options.zoo = default_zoo or find_zoo(Path.cwd())
    if options.why:
        return _why(argparse.Namespace(entry=options.why, zoo=options.zoo))
    start_server(int(options.max_memory * 2**30))
    with importing_torch():
        from torchbudget.checking import judge_here

    return judge_here(options)


def _explain(options: argparse.Namespace) -> int:
    from torchbudget.checking import explain_gates

    return explain_gates(options.gate)


def _why(options: argparse.Namespace) -> int:
    start_server()
    with importing_torch():
        from torchbudget.checking import show_why

    return show_why(options.entry, options.zoo or find_zoo(Path.cwd()))


def _record(options: argparse.Namespace) -> int:
    from torchbudget.recording import record

    if options.zoo is None:
        options.zoo = find_zoo(Path.cwd())
    return record(options)


def _reproduce(options: argparse.Namespace) -> int:
    from torchbudget.reproducing import reproduce

    if options.zoo is None:
        options.zoo = find_zoo(Path.cwd())
    return reproduce(options)


def _merge_verdicts(options: argparse.Namespace) -> int:
    from torchbudget.checking import report_shards

    check_report_options(options)
    if options.zoo is None:
        options.zoo = find_zoo(Path.cwd())
    return report_shards(options)


def _merge_results(options: argparse.Namespace) -> int:
    from torchbudget.recording import merge_results

    return merge_results(options)


# --- the words ----------------------------------------------------------------------------------


def make_main_parser() -> Parser:
    """The parser of `torchbudget`."""
    parser = Parser(
        prog="torchbudget",
        description=MAIN,
    )
    parser.add_argument("--version", action="version", version=f"torchbudget {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    commands.add_parser("check", help="judge the zoo; `torchbudget check --help` says how")
    record = commands.add_parser(
        "record",
        help="record a run of your own training loop",
        description=RECORD,
    )
    _add_record_options(record)
    record.set_defaults(run=_record)
    why = commands.add_parser("why", help="show an entry's network, operation by operation")
    why.add_argument("entry", metavar="ENTRY")
    why.add_argument("--zoo", type=Path, metavar="FILE", help="the zoo file")
    why.set_defaults(run=_why)
    explain = commands.add_parser("explain", help="say what a gate judges and why")
    explain.add_argument("gate", nargs="?", metavar="GATE", help="default: a line for each gate")
    explain.set_defaults(run=_explain)
    reproduce = commands.add_parser(
        "reproduce", help="train a recorded run again, and compare", description=REPRODUCE
    )
    reproduce.add_argument("entry", nargs="?", metavar="ENTRY")
    reproduce.add_argument("seed", nargs="?", type=whole_number, metavar="SEED")
    reproduce.add_argument("--in-turn", action="store_true", help="choose by the week")
    reproduce.add_argument("--zoo", type=Path, metavar="FILE", help="the zoo file")
    reproduce.set_defaults(run=_reproduce)
    merge = commands.add_parser(
        "merge-results",
        help="merge two results files, as git's merge driver",
        description=MERGE_RESULTS,
    )
    merge.add_argument("base", type=Path, metavar="BASE", help="the file that both began with")
    merge.add_argument("ours", type=Path, metavar="OURS", help="the file that is replaced")
    merge.add_argument("theirs", type=Path, metavar="THEIRS", help="the file that is merged in")
    merge.set_defaults(run=_merge_results)
    shards = commands.add_parser(
        "merge-verdicts",
        help="put the shards of a check together, and report",
        description=MERGE_VERDICTS,
    )
    shards.add_argument("reports", nargs="+", type=Path, metavar="FILE", help="from check --json")
    shards.add_argument("--zoo", type=Path, metavar="FILE", help="the zoo file that was judged")
    add_report_options(shards)
    shards.set_defaults(run=_merge_verdicts)
    return parser


def _add_record_options(parser: Parser) -> None:
    parser.add_argument("entry", metavar="ENTRY")
    parser.add_argument(
        "--weights",
        type=Path,
        required=True,
        metavar="FILE",
        help="a state dict: .pth or .pt as torch.save writes it, or safetensors",
    )
    parser.add_argument(
        "--seed", type=whole_number, required=True, help="the seed that it trained with"
    )
    parser.add_argument(
        "--steps", type=positive_whole_number, help="how many steps the optimizer took"
    )
    parser.add_argument(
        "--batch-size", type=positive_whole_number, help="how many images a step saw"
    )
    parser.add_argument(
        "--epochs",
        type=positive_whole_number,
        help="in place of --steps: passes over the training images",
    )
    parser.add_argument("--seconds", type=positive_number, help="how long it trained")
    parser.add_argument("--zoo", type=Path, metavar="FILE", help="the zoo file")
    parser.add_argument(
        "--results", type=Path, metavar="FILE", help="default: results.json beside the zoo file"
    )
    parser.add_argument(
        "--weights-folder",
        type=Path,
        metavar="FOLDER",
        help="where the weights are kept; default: weights/ beside the zoo file",
    )
    parser.add_argument("--data-root", type=Path, metavar="FOLDER", help="where the data set is")
