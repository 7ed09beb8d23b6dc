"""Predict digits: of picture files and folders, or of a competition's file.

    python predict.py digit.png photos/ --entry slim     # PNG, JPEG; any size, dark on light or light on dark; one digit a picture
    python predict.py digit.png --json                   # the same for programs
    python predict.py --entry slim --csv test.csv --out submission.csv
    python predict.py --entry slim --csv test.csv --out submission.csv --train-csv train.csv    # by the weights that a run on train.csv left

A network recalls what it was trained on. So before anything is predicted from a CSV, its images are compared, by digest, with all that the weights
learnt from or were chosen by: the data set that their record in results.json names. (For weights of a run on a train.csv give that file again; the
record proves that it is the one.) Where any image stands in both, the result is void and no file is written. Kaggle's test.csv is part of MNIST, so
the shipped weights are void for it: train on the competition's own images, train.py ENTRY --train-csv train.csv --against test.csv --drop-overlap.
Here --drop-overlap leaves the rows in question out of the file, which is then no whole submission.

Exit codes: 0 done · 1 the result is void · 2 wrong usage · 3 something is missing or unreadable · 130 interrupted.
"""

import argparse
import json
import sys
from pathlib import Path

import torch
from torch import nn

from torchbudget.declare.entry import Entry
from torchbudget.declare.zoofile import load_zoo, select_entries
from torchbudget.errors import DataError, OverlapError, WeightsError, ZooError
from torchbudget.evidence.measure import infer
from torchbudget.evidence.weights import load_shipped, load_weights, weights_paths
from utils.picture import PictureError, find_pictures, read_picture

HERE = Path(__file__).resolve().parent
EXIT_VOID, EXIT_USAGE, EXIT_MISSING, EXIT_INTERRUPTED = 1, 2, 3, 130


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="predict.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "pictures",
        nargs="*",
        type=Path,
        metavar="FILE|FOLDER",
        help="pictures of one digit each; of a folder, the PNG and JPEG files in it",
    )
    parser.add_argument("--entry", default="slim", help="of the zoo; default: %(default)s")
    parser.add_argument(
        "--seed", type=int, default=0, help="whose shipped weights; default: %(default)s"
    )
    parser.add_argument(
        "--weights",
        type=Path,
        metavar="FILE",
        help="other weights of the entry, such as those that a run on a train.csv left in results/",
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
        help="what the weights were trained from; the weights are then those in results/, if not --weights",
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
    return options


def load_network(entry: Entry, options: argparse.Namespace) -> tuple[nn.Module, list[Path]]:
    """The entry's network in eval mode with the weights that were asked for, and their files; raises `WeightsError`."""
    if options.weights:
        return load_weights(options.weights, entry.network()).eval(), [options.weights]
    folder, dataset = ("results", "kaggle_csv") if options.train_csv else ("weights", None)
    place = options.zoo.parent / folder
    return load_shipped(entry, options.seed, place, dataset), weights_paths(
        entry, options.seed, place, dataset
    )


# --- pictures ---------------------------------------------------------------------------------------------------------


def read_pictures(places: list[Path]) -> tuple[dict[Path, torch.Tensor], list[str]]:
    """The pictures that could be read, each uint8 (1, 28, 28), and a complaint about each place that could not."""
    found, complaints = {}, []
    for place in places:
        try:
            files = find_pictures(place)
        except PictureError as error:
            files = complaints.append(str(error)) or []
        for file in files:
            try:
                found[file] = read_picture(file)
            except PictureError as error:
                complaints.append(str(error))
    return found, complaints


def describe_logits(file: Path, logits: torch.Tensor) -> dict[str, object]:
    """What is said of one picture, by its logits (10,)."""
    (first, second), digits = (values.tolist() for values in logits.softmax(0).topk(2))
    return {
        "file": str(file),
        "digit": digits[0],
        "confidence": first,
        "runner_up": digits[1],
        "runner_up_confidence": second,
    }


def predict_pictures(entry: Entry, options: argparse.Namespace) -> int:
    """Print what each picture shows; the exit code."""
    network, _ = load_network(entry, options)
    pictures, complaints = read_pictures(options.pictures)
    logits = (
        infer(network, torch.stack(list(pictures.values())), views=entry.views) if pictures else []
    )
    rows = [describe_logits(file, each) for file, each in zip(pictures, logits, strict=True)]
    if options.json:
        print(
            json.dumps(
                {"entry": entry.name, "predictions": rows, "unreadable": complaints}, indent=1
            )
        )
    else:
        for row in rows:
            print(
                "{file}: {digit} ({confidence:.2%}), runner-up {runner_up} ({runner_up_confidence:.2%})".format(
                    **row
                )
            )
    for complaint in complaints:
        complain(complaint, EXIT_MISSING)
    return EXIT_MISSING if complaints else 0


# --- a competition's file ---------------------------------------------------------------------------------------------


def predict_csv(entry: Entry, options: argparse.Namespace) -> int:
    """Write the submission, once no image of the file is among those that the weights were trained on; else raises `OverlapError`."""
    from utils.kaggle import read_test_csv, write_submission
    from utils.origin import choose_unseen, load_trained

    pixels = read_test_csv(options.csv)
    network, weights = load_network(entry, options)
    trained = load_trained(
        weights, options.zoo.parent / "results.json", options.train_csv, pixels, options.data_root
    )
    kept = choose_unseen(pixels, trained, options.drop_overlap)
    predictions = infer(network, pixels[kept], views=entry.views).argmax(1)
    write_submission(options.out, predictions, (kept + 1).tolist())
    print(f"{options.out}: {len(predictions):,} predictions for {options.csv}, by {entry.name}")
    return 0


def main(argv: list[str] | None = None) -> int:
    """Parse, load the weights, predict."""
    options = parse_options(argv)
    try:
        (entry,) = select_entries(load_zoo(options.zoo), [options.entry])
        return predict_csv(entry, options) if options.csv else predict_pictures(entry, options)
    except ZooError as error:
        return complain(str(error), EXIT_USAGE)
    except OverlapError as error:
        return complain(str(error), EXIT_VOID)
    except (DataError, WeightsError, ValueError, OSError) as error:
        return complain(str(error), EXIT_MISSING)
    except KeyboardInterrupt:
        return complain("interrupted", EXIT_INTERRUPTED)


def complain(message: str, code: int) -> int:
    print(f"predict.py: {message}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
