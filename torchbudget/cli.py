"""Judge the zoo: every gate on every entry, failures first, then the count and the exit code.

    python check.py                          # all entries, all gates, all shipped weights re-measured
    python check.py slim --only params,structure
    python check.py --zoo my/zoo.py          # anybody's zoo file; its results.json and weights/ are expected beside it
    python check.py --zoo theirs.py --untrusted   # in a process of its own, with limits on time and memory
    python check.py --base main              # and nothing got worse, and no budget looser, than where the branch left main
    python check.py --explain chain          # what a gate judges and why, with a failing and a passing example
    python check.py --why slim               # the network operation by operation, with its share of the budget

Exit codes: 0 all gates ran and passed · 1 a gate failed · 2 wrong usage or configuration · 3 something could not be measured.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from torchbudget.declare.zoofile import select_entries
from torchbudget.engine import Engine, explain
from torchbudget.errors import EXIT_PASS, EXIT_UNMEASURED, EXIT_USAGE, NetworkError, UsageError
from torchbudget.evidence.files import write_atomically
from torchbudget.gates import GATES
from torchbudget.network.layers import layer_table
from torchbudget.network.trace import build
from torchbudget.report import terminal
from torchbudget.report.badge import draw_badge
from torchbudget.report.formats import to_annotations, to_json, to_junit, to_sarif
from torchbudget.report.markdown import to_markdown
from torchbudget.report.metrics import Metrics
from torchbudget.report.verdict import Verdict, exit_code

PACKAGE = Path(__file__).resolve().parent


def make_parser(default_zoo: Path) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("entries", nargs="*", metavar="ENTRY", help="default: all")
    parser.add_argument(
        "--only", default="", metavar="GATE,...", help=f"of {', '.join(GATES)}; default: all"
    )
    parser.add_argument("--zoo", type=Path, default=default_zoo, help="the zoo file to judge")
    parser.add_argument("--results", type=Path, help="default: results.json beside the zoo file")
    parser.add_argument("--weights", type=Path, help="default: weights/ beside the zoo file")
    parser.add_argument(
        "--data-root",
        type=Path,
        help="a torchvision MNIST root; default: MNIST_ROOT, then data/, downloaded",
    )
    parser.add_argument(
        "--base",
        metavar="REF",
        help="compare with the merge base of HEAD and this commit; nothing may get worse",
    )
    parser.add_argument(
        "--explain", metavar="GATE", help="say what the gate judges and why, and judge nothing"
    )
    parser.add_argument(
        "--why",
        metavar="ENTRY",
        help="show the entry's network operation by operation, and judge nothing",
    )
    apart = parser.add_argument_group("a zoo file that you did not write")
    apart.add_argument(
        "--untrusted",
        action="store_true",
        help="judge in a process of its own, which must end with its verdict within the limits",
    )
    apart.add_argument("--max-seconds", type=float, default=900, metavar="S")
    apart.add_argument("--max-memory", type=float, default=8, metavar="GIB")
    apart.add_argument("--receipt", type=Path, help=argparse.SUPPRESS)
    written = parser.add_argument_group("reports")
    written.add_argument(
        "--json",
        metavar="FILE",
        help="write verdicts and figures as JSON; - writes them to stdout instead of the report",
    )
    written.add_argument(
        "--summary", type=Path, metavar="FILE", help="write the verdicts as Markdown"
    )
    written.add_argument(
        "--junit", type=Path, metavar="FILE", help="write the verdicts as JUnit XML"
    )
    written.add_argument(
        "--sarif", type=Path, metavar="FILE", help="write what did not pass as SARIF 2.1.0"
    )
    written.add_argument(
        "--github",
        action="store_true",
        help="annotate the zoo file's lines, and write the step summary where GITHUB_STEP_SUMMARY names one",
    )
    written.add_argument(
        "--badge",
        type=Path,
        metavar="FILE",
        help="draw an SVG of the one ENTRY that is judged, by all gates",
    )
    return parser


def parse_options(argv: list[str], default_zoo: Path) -> argparse.Namespace:
    parser = make_parser(default_zoo)
    options = parser.parse_args(argv)
    if options.badge and (len(options.entries) != 1 or options.only):
        parser.error("--badge shows one ENTRY judged by all gates")
    if options.github and options.json == "-":
        parser.error("--github and --json - both write to stdout; give --json a file")
    return options


def print_why(engine: Engine, name: str) -> int:
    """The layer table of the entry."""
    (entry,) = select_entries(engine.zoo, [name])
    try:
        rows = layer_table(build(entry.network), engine.observe(entry).image)
    except NetworkError as error:
        print(f"check.py: {error}", file=sys.stderr)
        return EXIT_UNMEASURED
    terminal.print_layers(rows, entry.budget.max_params, entry.budget.max_multiply_adds)
    return EXIT_PASS


def write_reports(
    options: argparse.Namespace,
    verdicts: list[Verdict],
    figures: list[Metrics],
    base: list[Metrics],
) -> None:
    """Every file that was asked for; each is replaced whole, and only GitHub's step summary, which other steps write too, is added to."""
    rules = {gate: explain(gate)["Judges"] for gate in GATES}
    texts = (
        (options.json if options.json != "-" else None, lambda: to_json(verdicts, figures)),
        (options.summary, lambda: to_markdown(verdicts, figures, base)),
        (options.junit, lambda: to_junit(verdicts)),
        (options.sarif, lambda: to_sarif(verdicts, rules, options.zoo)),
        (options.badge, lambda: draw_badge(figures[0], verdicts)),
    )
    for place, make in texts:
        if place:
            text = make()
            write_atomically(Path(place), text)
    if options.github and (summary := os.environ.get("GITHUB_STEP_SUMMARY")):
        with open(summary, "a") as file:
            file.write(to_markdown(verdicts, figures, base))


def judge_apart(argv: list[str], options: argparse.Namespace) -> int:
    """Run `check.py` on the same words in a process with limits; without the receipt that it writes last, nothing was judged.

    This stops a zoo file that ends the process, hangs or eats the memory. It does not stop one that forges the receipt: code that runs
    in the judge's process can do what the judge can. Judge such a file where it may do no harm, and read it.
    """

    def limit() -> None:
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, (int(options.max_memory * 2**30),) * 2)

    with tempfile.TemporaryDirectory() as folder:
        receipt = Path(folder) / "receipt"
        words = [word for word in argv if word != "--untrusted"]
        path = os.pathsep.join([str(PACKAGE.parent), *filter(None, [os.environ.get("PYTHONPATH")])])
        env = {**os.environ, "PYTHONPATH": path}
        try:
            code = subprocess.run(
                [
                    sys.executable,
                    "-m",
                    "torchbudget.cli",
                    "--zoo",
                    options.zoo,
                    *words,
                    "--receipt",
                    receipt,
                ],
                preexec_fn=limit,
                env=env,
                timeout=options.max_seconds,
            ).returncode
        except subprocess.TimeoutExpired:
            print(
                f"check.py: no verdict within {options.max_seconds:g} s; the zoo file is too slow or never ends (--max-seconds)",
                file=sys.stderr,
            )
            return EXIT_UNMEASURED
        if not receipt.exists() or receipt.read_text() != str(code):
            print(
                f"check.py: the judge ended (exit code {code}) without a verdict; the zoo file ended it or took its memory",
                file=sys.stderr,
            )
            return EXIT_UNMEASURED
    return code


def main(argv: list[str] | None = None, default_zoo: Path = Path("zoo.py")) -> int:
    """Judge what was asked for, report it, return the exit code."""
    argv = sys.argv[1:] if argv is None else argv
    options = parse_options(argv, default_zoo)
    if options.untrusted:
        return judge_apart(argv, options)
    code = judge_here(options)
    if options.receipt:
        options.receipt.write_text(str(code))
    return code


def judge_here(options: argparse.Namespace) -> int:
    """Judge in this process, report, return the exit code."""
    try:
        if options.explain:
            terminal.print_explanation(options.explain, explain(options.explain))
            return EXIT_PASS
        engine = Engine(
            options.zoo,
            results=options.results,
            weights=options.weights,
            data_root=options.data_root,
            base=options.base,
        )
        if options.why:
            return print_why(engine, options.why)
        entries, gates = (
            select_entries(engine.zoo, options.entries),
            engine.select_gates(options.only),
        )
    except UsageError as error:
        print(f"check.py: {error}", file=sys.stderr)
        return EXIT_USAGE
    verdicts = engine.judge_zoo(entries, gates)
    figures = [engine.measure_entry(entry) for entry in entries]
    try:
        write_reports(options, verdicts, figures, engine.measure_baseline())
    except OSError as error:
        print(f"check.py: the report cannot be written: {error}", file=sys.stderr)
        return EXIT_USAGE
    if options.json == "-":
        print(to_json(verdicts, figures), end="")
    else:
        terminal.print_verdicts(verdicts)
    if options.github:
        for line in to_annotations(verdicts, options.zoo):
            print(line)
    return exit_code(verdicts)


if __name__ == "__main__":
    sys.exit(main())
