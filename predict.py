"""Predict the digit on picture files, or the labels of a competition's file.

    python predict.py samples/digit.png samples/photos/ --entry slim
    python predict.py samples/digit.png --json                      # the same for programs
    python predict.py samples/digit.png --onnx exports/slim.onnx    # sooner, without torch
    python predict.py --csv test.csv --out submission.csv
    python predict.py --csv test.csv --out submission.csv --train-csv train.csv

A picture is a PNG or JPEG of one digit, of any size, dark on light or light on dark. `make export`
writes the file for --onnx, and measures first that it predicts what torch does.

A network recalls what it was trained on. So before anything is predicted from a CSV, its images are
compared, by digest, with all images that the weights were trained on or chosen by: the data set
that their record names, in results.json or in results/results.json. For weights of a run on a
train.csv, give that file again; the record proves that it is the one. If any image is in both, the
result is void and no file is written. Kaggle's test.csv is part of MNIST, so the shipped weights
are void for it; train on the competition's own images:

    python train.py slim --train-csv train.csv --against test.csv --drop-overlap

Here, --drop-overlap leaves the rows in question out of the submission, which is then not whole.

Exit codes: 0 done · 1 the result is void · 2 wrong usage · 3 something is missing or unreadable ·
130 interrupted
"""

if __name__ == "__main__":
    from torchbudget.command import end_on_interrupt, let_threads_sleep

    end_on_interrupt("predict.py")
    let_threads_sleep()

import argparse
import json
import sys
from pathlib import Path

import numpy as np

from torchbudget.command import Parser, complain, run_main, whole_number
from torchbudget.errors import EXIT_PASS, EXIT_UNMEASURED
from torchbudget.report.text import as_one_line
from utils.picture import PictureError, find_pictures, read_pixels

HERE = Path(__file__).resolve().parent
PROG = "predict.py"


def make_parser() -> Parser:
    parser = Parser(prog=PROG, description=__doc__)
    parser.add_argument(
        "pictures",
        nargs="*",
        type=Path,
        metavar="FILE|FOLDER",
        help="pictures of one digit each; of a folder, the PNG and JPEG files in it",
    )
    parser.add_argument("--entry", default="slim", help="of the zoo; default: %(default)s")
    parser.add_argument(
        "--seed", type=whole_number, default=0, help="whose shipped weights; default: %(default)s"
    )
    parser.add_argument(
        "--weights",
        type=Path,
        metavar="FILE",
        help="other weights of the entry, such as those of an experiment in results/weights/",
    )
    parser.add_argument(
        "--onnx",
        type=Path,
        metavar="FILE",
        help="what `make export` wrote; needs no torch, and --entry, --seed, --weights and --zoo "
        "say nothing of it",
    )
    parser.add_argument(
        "--zoo",
        type=Path,
        default=HERE / "zoo.py",
        help="the zoo file; its weights/ and results.json are beside it",
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of lines")
    table = parser.add_argument_group("a competition's file")
    table.add_argument(
        "--csv",
        type=Path,
        metavar="TEST",
        help="predict the images of this file (pixel0,...,pixel783)",
    )
    table.add_argument(
        "--out", type=Path, metavar="FILE", help="write the submission (ImageId,Label) here"
    )
    table.add_argument(
        "--train-csv",
        type=Path,
        metavar="TRAIN",
        help="what the weights were trained on; the weights are then those in results/weights/",
    )
    table.add_argument(
        "--drop-overlap",
        action="store_true",
        help="leave out of the submission what the weights were trained on",
    )
    table.add_argument(
        "--data-root",
        type=Path,
        help="a torchvision MNIST root; default: MNIST_ROOT, then data/, downloaded",
    )
    return parser


def parse_options(argv: list[str] | None) -> argparse.Namespace:
    parser = make_parser()
    options = parser.parse_args(argv)
    if bool(options.pictures) == bool(options.csv):
        parser.error("give picture files and folders, or --csv FILE")
    if bool(options.csv) != bool(options.out):
        parser.error("--csv FILE and --out FILE go together")
    if options.csv and options.json:
        parser.error("--json is for pictures; --csv writes the file that --out names")
    if options.pictures and (options.train_csv or options.drop_overlap):
        parser.error("--train-csv and --drop-overlap are for --csv FILE")
    if options.csv and options.onnx:
        parser.error("--onnx is for pictures")
    return options


# --- pictures -------------------------------------------------------------------------------------


def read_pictures(places: list[Path]) -> tuple[dict[Path, np.ndarray], list[str]]:
    """The pictures that could be read, each uint8 (1, 28, 28), and a complaint about each other."""
    pictures: dict[Path, np.ndarray] = {}
    complaints: list[str] = []
    for place in places:
        try:
            files = find_pictures(place)
        except PictureError as error:
            complaints.append(str(error))
            continue
        for file in files:
            try:
                pictures[file] = read_pixels(file)
            except PictureError as error:
                complaints.append(str(error))
    return pictures, complaints


def describe_digit(file: Path, probabilities: np.ndarray) -> dict[str, object]:
    """What is said of one picture, by its probabilities (10,)."""
    first, second = probabilities.argsort(kind="stable")[-1:-3:-1]
    return {
        "file": str(file),
        "digit": int(first),
        "confidence": float(probabilities[first]),
        "runner_up": int(second),
        "runner_up_confidence": float(probabilities[second]),
    }


def format_row(row: dict[str, object]) -> str:
    text = "{file}: {digit} ({confidence:.2%}), runner-up {runner_up} ({runner_up_confidence:.2%})"
    return as_one_line(text.format(**row))


def predict_pictures(options: argparse.Namespace) -> int:
    """Print what each picture shows; the exit code."""
    if options.onnx:
        from utils.onnx_reader import OnnxReader

        reader = OnnxReader(options.onnx)
    else:
        from utils.prediction import TorchReader

        reader = TorchReader(options)
    pictures, complaints = read_pictures(options.pictures)
    rows = []
    if pictures:
        probabilities = reader(np.stack(list(pictures.values())))
        rows = [describe_digit(*row) for row in zip(pictures, probabilities, strict=True)]
    if options.json:
        content = {"entry": reader.name, "predictions": rows, "unreadable": complaints}
        print(json.dumps(content, indent=1))
    else:
        for row in rows:
            print(format_row(row))
    for complaint in complaints:
        complain(PROG, complaint)
    return EXIT_UNMEASURED if complaints else EXIT_PASS


def predict(options: argparse.Namespace) -> int:
    """Predict what the options ask for; the exit code."""
    if options.csv:
        from utils.prediction import predict_csv

        predict_csv(options)
        return EXIT_PASS
    return predict_pictures(options)


def main(argv: list[str] | None = None) -> int:
    """Predict what the command line asks for; the exit code."""
    return run_main(lambda: predict(parse_options(argv)), PROG)


if __name__ == "__main__":
    sys.exit(main())
