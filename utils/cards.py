"""Model cards of the zoo's entries, with the metadata that Hugging Face's hub reads.

`python -m utils.cards` (make cards) writes `cards/ENTRY.md` for each entry that has evidence. No
result is marked as verified: on the hub that is for whoever measured it there. What measures here
is `make check`.
"""

if __name__ == "__main__":
    from torchbudget.command import end_on_interrupt

    end_on_interrupt("cards")

import inspect
import sys
from dataclasses import dataclass, replace
from pathlib import Path

from torchbudget.command import Parser, run_main
from torchbudget.declare.entry import Ensemble, Entry
from torchbudget.declare.zoofile import load_zoo
from torchbudget.evidence.files import write_atomically
from torchbudget.evidence.results import Run, evidence_of, read_results

ROOT = Path(__file__).resolve().parent.parent
FOLDER = "cards"


@dataclass(frozen=True, kw_only=True)
class About:
    """What cards say of a data set; `subject` is what one image of it shows."""

    images: str
    subject: str
    others: str
    credit: str
    tag: str


DIGITS = About(
    images="MNIST, 60,000 images to train on and 10,000 to test on",
    subject="one digit on an image, drawn as MNIST's are",
    others="Two digits, a letter or a drawing\nget a digit as well",
    credit="MNIST is by Yann LeCun and Corinna Cortes.",
    tag="digits",
)
DEALT = "MNIST's 70,000 images, split into 42,000 and 28,000 as Kaggle splits them"
DATASETS = {
    "mnist": DIGITS,
    "kaggle_deal": replace(DIGITS, images=DEALT),
    "fashionmnist": About(
        images="Fashion-MNIST, 60,000 images to train on and 10,000 to test on",
        subject="one piece of clothing on an image, cut out as Fashion-MNIST's are",
        others="Anything else\ngets one of ten classes as well",
        credit="Fashion-MNIST is by Zalando, under the MIT licence.",
        tag="clothing",
    ),
}
"""By the data set's name; of another one the cards say what they say of digits, and its name."""
BODY = """\
# {name}

{what}

| seed | misses of the test images | accuracy |
|---|---:|---:|
{rows}

The misses are those of the final weights on the whole test set, read once.
`make check ENTRY={name}` measures them again from the shipped weights.

- **Data**: {data}.
- **Size**: {params:,} parameters, {multiply_adds:,} multiply-adds an image.
- **Input**: {input}, divided by 255, less the mean {mean}, divided by {std}.
- **Output**: {classes} logits; softmax makes them probabilities.
- **Trained on**: {hardware}. The same seed on another processor gives other weights.
{source}
## How to load it

In a clone of the repository:

```python
from pathlib import Path

from torchbudget import load_zoo
from torchbudget.evidence.weights import load_shipped

network = load_shipped(load_zoo("zoo.py")["{name}"], 0, Path("weights"))
```

## Limits

It knows nothing but {subject}. {others}, often with a high confidence.

## Licence

The weights are under the MIT licence. {credit}
"""


def make_card(entry: Entry, runs: list[Run]) -> str:
    """The card of an entry, from its evidence, of which there is at least one run."""
    from huggingface_hub import EvalResult, ModelCard, ModelCardData

    evidence = [run for _, run in sorted(evidence_of(entry, runs).items())]
    results = [
        EvalResult(
            task_type="image-classification",
            dataset_type=run.dataset,
            dataset_name=run.dataset,
            dataset_split="test",
            metric_type="accuracy",
            metric_name=f"accuracy, seed {run.seed}",
            metric_value=round(1 - run.test.misses / run.test.total, 6),
            metric_args={"misses": run.test.misses, "total": run.test.total},
        )
        for run in evidence
    ]
    metadata = ModelCardData(
        model_name=entry.name,
        license="mit",
        library_name="pytorch",
        pipeline_tag="image-classification",
        datasets=[entry.dataset],
        metrics=["accuracy"],
        tags=["image-classification", find_about(entry).tag, "torchbudget"],
        eval_results=results,
    )
    text = f"---\n{metadata.to_yaml(line_break=chr(10))}\n---\n\n{describe(entry, evidence)}"
    return str(ModelCard(text)).rstrip("\n") + "\n"


def find_about(entry: Entry) -> About:
    return DATASETS.get(entry.dataset) or replace(DIGITS, images=entry.dataset)


def describe(entry: Entry, evidence: list[Run]) -> str:
    """What a card says below its metadata."""
    first = evidence[0]
    rows = [
        f"| {run.seed} | {run.test.misses:,} of {run.test.total:,} "
        f"| {1 - run.test.misses / run.test.total:.3%} |"
        for run in evidence
    ]
    source = ""
    if first.teacher:
        source = f"- **Taught by**: {first.teacher.entry}, beside the labels.\n"
    if first.views:
        source += describe_views(evidence)
    if entry.published is not None:
        source += (
            f"- **Published**: {entry.published:g} % by {entry.source}; see docs/references.md.\n"
        )
    shape = "x".join(map(str, first.form.shape))
    about = find_about(entry)
    return BODY.format(
        name=entry.name,
        what=summarise(entry),
        rows="\n".join(rows),
        data=about.images,
        subject=about.subject,
        others=about.others,
        credit=about.credit,
        params=first.params,
        multiply_adds=first.multiply_adds,
        input=f"{shape} pixels of 0 to 255",
        mean=", ".join(f"{value:g}" for value in first.form.mean),
        std=", ".join(f"{value:g}" for value in first.form.std),
        classes=first.form.num_classes,
        hardware="; ".join(sorted({run.hardware.device for run in evidence})),
        source=source,
    )


def describe_views(evidence: list[Run]) -> str:
    """What a card says of the views of an image that its misses are by."""
    plain = [str(run.test_without_views.misses) for run in evidence if run.test_without_views]
    return (
        f"- **Views**: a prediction is the mean of the probabilities of {len(evidence[0].views)} "
        f"views of an image. One view, as the network below takes, misses {', '.join(plain)}, by "
        "seed; `hubconf.py` gives the network with its views. "
        "Multiply-adds are those of one view.\n"
    )


def summarise(entry: Entry) -> str:
    """What the network is, in a sentence or two."""
    if isinstance(entry, Ensemble):
        members = ", ".join(f"{member.name} (seed {seed})" for member, seed in entry.member_runs)
        return f"An ensemble that votes by its mean {entry.vote}: {members}."
    return describe_class(entry)


def describe_class(entry: Entry) -> str:
    """What the network's class says of itself: the first paragraph of its docstring, in a line.

    Its name where it has none.
    """
    network = getattr(entry.network, "func", entry.network)
    text = inspect.getdoc(network) or network.__name__
    return " ".join(text.split("\n\n")[0].split())


def make_cards(entries: list[Entry], runs: list[Run]) -> dict[str, str]:
    """The card of each entry that has evidence, by its file's name."""
    return {
        f"{entry.name}.md": make_card(entry, runs) for entry in entries if evidence_of(entry, runs)
    }


def write_cards(folder: Path, cards: dict[str, str]) -> list[Path]:
    """Write the cards that changed, and delete those of entries that are gone; what was written."""
    written = []
    for name, card in cards.items():
        path = folder / name
        if not path.is_file() or path.read_text(encoding="utf-8") != card:
            write_atomically(path, card)
            written.append(path)
    for path in folder.glob("*.md"):
        if path.name not in cards:
            path.unlink()
    return written


def write(argv: list[str] | None) -> None:
    parser = Parser(prog="python -m utils.cards", description="Write a model card for each entry.")
    parser.add_argument("--zoo", type=Path, default=ROOT / "zoo.py")
    zoo_file = parser.parse_args(argv).zoo
    entries = list(load_zoo(zoo_file, served=("utils",)).values())
    cards = make_cards(entries, read_results(zoo_file.parent / "results.json"))
    written = write_cards(zoo_file.parent / FOLDER, cards)
    print(f"{len(cards)} cards in {zoo_file.parent / FOLDER}, {len(written)} of them new")


def main(argv: list[str] | None = None) -> int:
    """Write the cards; the exit code."""
    return run_main(lambda: write(argv), "cards")


if __name__ == "__main__":
    sys.exit(main())
