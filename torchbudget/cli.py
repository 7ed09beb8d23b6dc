"""The command `torchbudget`: its words, and which of them does what.

This module imports neither torch nor numpy: help, the version and wrong usage are answered at once.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from torchbudget import __version__
from torchbudget.building.connection import start_server
from torchbudget.command import Parser, positive_whole_number, run_main, whole_number
from torchbudget.project import find_zoo

EXIT_CODES = """\
Exit codes: 0 all gates ran and passed · 1 a gate failed · 2 wrong usage or configuration ·
3 something could not be measured · 130 interrupted (143 by SIGTERM). With --base, 1 is also for a
failure that the base had.
"""
FORMATS = ("terminal", "json", "markdown", "junit", "sarif", "github")
"""What `check` can print on stdout."""
CHECK = f"""\
Judge the zoo: every gate on every entry, failures first, then the count and the exit code.

    %(prog)s                          # all entries, all gates, all weights re-measured
    %(prog)s slim --only params,structure
    %(prog)s --zoo my/zoo.py          # results.json and weights/ are expected beside it
    %(prog)s --zoo theirs.py          # a zoo file runs confined, in a process of its own
    %(prog)s --base main              # and nothing is worse than where the branch left main
    %(prog)s --fail-fast --format github   # stop at the first failure, print annotations
    %(prog)s --explain chain          # what a gate judges and why, with examples
    %(prog)s --why slim               # the network, operation by operation

{EXIT_CODES}"""
RECORD = """\
Record a run that your own training loop has made: measure its weights on the test images, once,
and write them and the record beside the zoo file.

    %(prog)s net --weights best.pth --seed 0
    %(prog)s net --weights last.safetensors --seed 1 --steps 46900 --batch-size 128
"""
REPRODUCE = """\
Train a recorded run again by the project's command ([tool.torchbudget] train in pyproject.toml) and
compare: byte for byte on the same hardware and versions, elsewhere the misses of the two runs by
the spread of the entry's seeds. The record stays as it is; reproduced.json beside it keeps when and
where a run was last reproduced. Exit code 1 says that it was not.

    %(prog)s net 0
    %(prog)s --in-turn          # one of the fastest runs, another one each week
"""
MERGE = """\
Merge what two branches recorded: a run that one of them added, renewed or removed is as it has it.
A run that both renewed is a conflict, exit code 1: OURS is kept in the file. Once, in a clone:

    git config merge.torchbudget.driver "torchbudget merge-results %O %A %B"
    echo "results.json merge=torchbudget" >> .gitattributes
"""
MAIN = f"""\
Hold PyTorch image classifiers to declared budgets.

    torchbudget record net --weights best.pth --seed 0   # once, at the end of training
    torchbudget check                                    # judge every entry of zoo.py
    torchbudget why net                                  # the network, operation by operation
    torchbudget explain chain                            # what a gate judges and why
    torchbudget reproduce net 0                          # train it again, and compare

The zoo file is the one that --zoo names, else the one that pyproject.toml names
([tool.torchbudget] zoo = "zoo.py"), else zoo.py.

{EXIT_CODES}"""


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
    return run_main(lambda: _check(words, default_zoo, prog), prog)


def _dispatch(words: list[str]) -> int:
    """Run a command other than `check`, whose words `check` parses."""
    options = make_main_parser().parse_args(words)
    run: Callable[[argparse.Namespace], int] = options.run
    return run(options)


def _check(words: list[str], default_zoo: Path | None, prog: str) -> int:
    options = parse_check_options(words, prog)
    if options.explain:
        return _explain(argparse.Namespace(gate=options.explain))
    if options.zoo is None:
        options.zoo = default_zoo or find_zoo(Path.cwd())
    if options.why:
        return _why(argparse.Namespace(entry=options.why, zoo=options.zoo))
    start_server(int(options.max_memory * 2**30))
    from torchbudget.checking import judge_here

    return judge_here(options)


def _explain(options: argparse.Namespace) -> int:
    from torchbudget.checking import explain_gates

    return explain_gates(options.gate)


def _why(options: argparse.Namespace) -> int:
    start_server()
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
        "merge-results", help="merge two results files, as git's merge driver", description=MERGE
    )
    merge.add_argument("base", type=Path, metavar="BASE", help="the file that both began with")
    merge.add_argument("ours", type=Path, metavar="OURS", help="the file that is replaced")
    merge.add_argument("theirs", type=Path, metavar="THEIRS", help="the file that is merged in")
    merge.set_defaults(run=_merge_results)
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


def parse_check_options(words: list[str], prog: str) -> argparse.Namespace:
    """The options of `check`; wrong words end the process with exit code 2."""
    parser = make_check_parser(prog)
    options = parser.parse_args(words)
    if options.badge and (len(options.entries) != 1 or options.only):
        parser.error("--badge shows one ENTRY judged by all gates")
    if options.json == "-":
        if options.format not in (None, "json"):
            parser.error(f"--format {options.format} and --json - both write to stdout; give one")
        options.format = "json"
    options.format = options.format or "terminal"
    if options.github and options.format not in ("terminal", "github"):
        other = "--json - both write to stdout; give --json a file"
        if options.json != "-":
            other = f"--format {options.format} both write to stdout; give one of them"
        parser.error(f"--github and {other}")
    return options


def make_check_parser(prog: str) -> Parser:
    """The parser of `check`, which is also this zoo's `check.py`."""
    parser = Parser(
        prog=prog,
        description=CHECK,
    )
    parser.add_argument("entries", nargs="*", metavar="ENTRY", help="default: all")
    parser.add_argument(
        "--only",
        default="",
        metavar="GATE,...",
        help="default: all; `torchbudget explain` lists them",
    )
    parser.add_argument("--zoo", type=Path, metavar="FILE", help="the zoo file to judge")
    parser.add_argument(
        "--results", type=Path, metavar="FILE", help="default: results.json beside the zoo file"
    )
    parser.add_argument(
        "--weights", type=Path, metavar="FOLDER", help="default: weights/ beside the zoo file"
    )
    parser.add_argument("--data-root", type=Path, metavar="FOLDER", help="where the data sets are")
    parser.add_argument(
        "--base",
        metavar="REF",
        help="compare with the merge base of HEAD and this commit; nothing may get worse",
    )
    parser.add_argument(
        "--base-may-lack-zoo",
        action="store_true",
        help="a base without the zoo file is no error: every entry is new",
    )
    parser.add_argument(
        "--explain", metavar="GATE", help="say what the gate judges and why, and judge nothing"
    )
    parser.add_argument(
        "--why",
        metavar="ENTRY",
        help="show the entry's network operation by operation, and judge nothing",
    )
    parser.add_argument(
        "--fail-fast",
        action="store_true",
        help="stop at the first failure; the gates that are left are listed as not judged",
    )
    _add_limits(parser)
    _add_report_options(parser)
    return parser


def _add_limits(parser: Parser) -> None:
    group = parser.add_argument_group("limits of the process that runs the zoo file")
    group.add_argument(
        "--max-seconds", type=positive_number, default=900, metavar="S", help="default: 900"
    )
    group.add_argument(
        "--max-memory", type=positive_number, default=8, metavar="GIB", help="default: 8"
    )
    group.add_argument(
        "--untrusted",
        action="store_true",
        help="changes nothing: every zoo file runs confined, in a process of its own",
    )


def _add_report_options(parser: Parser) -> None:
    group = parser.add_argument_group("reports")
    group.add_argument(
        "--format",
        choices=FORMATS,
        metavar="FORMAT",
        help=f"what is printed on stdout: {', '.join(FORMATS)}; default: terminal",
    )
    group.add_argument(
        "--json",
        metavar="FILE",
        help="write verdicts and metrics as JSON; - writes them to stdout instead of the report",
    )
    files = (
        ("--summary", "write the verdicts as Markdown"),
        ("--comment", "write what the change did, as a comment on its pull request"),
        ("--junit", "write the verdicts as JUnit XML"),
        ("--sarif", "write what did not pass as SARIF 2.1.0"),
        ("--badge", "draw an SVG of the one ENTRY that is judged, by all gates"),
    )
    for flag, text in files:
        group.add_argument(flag, type=Path, metavar="FILE", help=text)
    group.add_argument(
        "--github",
        action="store_true",
        help="annotate the zoo file's lines, and add to the file that GITHUB_STEP_SUMMARY names",
    )


# --- the values ----------------------------------------------------------------------------------


def positive_number(text: str) -> float:
    number = float(text)
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not a positive number")
    return number


if __name__ == "__main__":
    sys.exit(main())
