"""The options of `check`, and of what reports as it does.

This module imports neither torch nor numpy: help and wrong usage are answered at once.
"""

import argparse
from pathlib import Path

from torchbudget.command import Parser, positive_number, shard_number
from torchbudget.errors import UsageError
from torchbudget.usage import CHECK

FORMATS = ("terminal", "json", "markdown", "junit", "sarif", "github")
"""What `check` can print on stdout."""


def parse_check_options(words: list[str], prog: str) -> argparse.Namespace:
    """The options of `check`; wrong words end the process with exit code 2."""
    parser = make_check_parser(prog)
    options = parser.parse_args(words)
    if options.badge and (len(options.entries) != 1 or options.only):
        parser.error("--badge shows one ENTRY judged by all gates")
    if options.shard and (options.comment or options.fail_fast):
        parser.error("--shard judges a part: neither --comment nor --fail-fast can go with it")
    if bool(options.since) != bool(options.verdicts):
        parser.error("--since REF and --verdicts FILE go together: FILE is what REF's check said")
    try:
        check_report_options(options)
    except UsageError as error:
        parser.error(str(error))
    return options


def check_report_options(options: argparse.Namespace) -> None:
    """Settle what is printed on stdout; raises `UsageError` where two reports would be."""
    if options.json == "-":
        if options.format not in (None, "json"):
            raise UsageError(
                f"--format {options.format} and --json - both write to stdout; give one"
            )
        options.format = "json"
    options.format = options.format or "terminal"
    if options.github and options.format not in ("terminal", "github"):
        other = "--json - both write to stdout; give --json a file"
        if options.json != "-":
            other = f"--format {options.format} both write to stdout; give one of them"
        raise UsageError(f"--github and {other}")


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
    parser.add_argument(
        "--shard",
        type=shard_number,
        metavar="N/COUNT",
        help="judge one of COUNT parts of the zoo; merge-verdicts puts their --json together",
    )
    parser.add_argument(
        "--since",
        metavar="REF",
        help="measure only what changed since this commit; the rest is as --verdicts says",
    )
    parser.add_argument(
        "--verdicts",
        type=Path,
        metavar="FILE",
        help="what `check --json FILE` wrote at the commit that --since names",
    )
    _add_limits(parser)
    group = add_report_options(parser)
    badge = "draw an SVG of the one ENTRY that is judged, by all gates"
    group.add_argument("--badge", type=Path, metavar="FILE", help=badge)
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


def add_report_options(parser: Parser) -> argparse._ArgumentGroup:
    """Add what the reports are and where they go."""
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
        ("--junit", "write the verdicts as JUnit XML"),
        ("--sarif", "write what did not pass as SARIF 2.1.0"),
        ("--comment", "write what the change did, as a comment on its pull request"),
    )
    for flag, text in files:
        group.add_argument(flag, type=Path, metavar="FILE", help=text)
    group.add_argument(
        "--github",
        action="store_true",
        help="annotate the zoo file's lines, and add to the file that GITHUB_STEP_SUMMARY names",
    )
    return group
