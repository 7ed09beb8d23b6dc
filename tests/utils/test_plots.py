"""The pictures of a run: they are written, they open, and they show what the run observed."""

import io
import json
import math
from dataclasses import replace

import matplotlib.image
import matplotlib.text
import msgspec
import pytest
import torch

from torchbudget.evidence.measure import Measurement
from torchbudget.evidence.results import Score, seal
from utils.plots import (
    COLUMNS,
    MAX_SHOWN,
    draw_run,
    plot_augmentations,
    plot_confusion,
    plot_curves,
    plot_misses,
    save_figure,
)

FILES = ["history.json", "curves.png", "confusion.png", "misses.png"]


@pytest.fixture
def run(make_run, small_entry):
    return make_run(small_entry, 0)


@pytest.fixture
def found(make_run, small_entry) -> Measurement:
    return make_run.measurement(small_entry, 0)


def texts(figure) -> list[str]:
    """Every text on the figure that is not empty."""
    return [text.get_text() for text in figure.findobj(matplotlib.text.Text) if text.get_text()]


def without_misses(run, keep: int = 0):
    """The run as if all but the first `keep` missed images had been right, and its measurement."""
    missed = dict(list(run.missed.items())[:keep])
    confusion = [[0] * 10 for _ in range(10)]
    confusion[0][0], confusion[0][1] = run.test.total - keep, keep
    return seal(
        msgspec.structs.replace(
            run, missed=missed, confusion=confusion, test=Score(misses=keep, total=run.test.total)
        )
    )


def test_a_run_leaves_its_history_and_three_pictures_that_open(run, found, sample, tmp_path):
    drawn = draw_run(tmp_path, run, found, sample.test)
    assert list(drawn) == [tmp_path / f"small-seed0-mnist_sample-{name}" for name in FILES]
    history_file, *pictures = drawn.values()
    history = json.loads(history_file)
    assert history == {
        "entry": "small",
        "seed": 0,
        "dataset": "mnist_sample",
        "history": msgspec.to_builtins(run.history),
    }
    for picture in pictures:
        image = matplotlib.image.imread(io.BytesIO(picture))  # (H, W, 4) in [0, 1]
        assert min(image.shape[:2]) > 300 and image[..., :3].std() > 0.01


def test_the_curves_are_the_history(run):
    loss, accuracy = plot_curves(run).axes
    lines = {line.get_label(): list(line.get_ydata()) for line in loss.lines}
    assert lines == {
        "train": [row.train_loss for row in run.history],
        "val": [row.val_loss for row in run.history],
    }
    assert list(accuracy.lines[0].get_ydata()) == pytest.approx(
        [100 * (500 - row.val_misses) / 500 for row in run.history]
    )
    assert list(loss.lines[0].get_xdata()) == [1, 2]


def test_accuracy_on_train_is_drawn_where_it_was_counted(run, found, sample, tmp_path):
    """3,500 images are trained on; labels of an epoch that mixed them have no count."""
    _, accuracy = plot_curves(run, [350, None]).axes
    assert list(accuracy.lines[0].get_ydata()) == pytest.approx([90, math.nan], nan_ok=True)
    history, *_ = draw_run(tmp_path, run, found, sample.test, [350, None]).values()
    assert json.loads(history)["train_misses"] == [350, None]
    augmented = msgspec.structs.replace(run, recipe=run.recipe | {"augment": [{"kind": "Affine"}]})
    assert plot_curves(augmented).axes[0].lines[0].get_label() == "train, augmented"


def test_the_legend_covers_no_curve_and_names_what_the_final_weights_missed(run):
    figure = plot_curves(run)
    figure.draw_without_rendering()
    (legend,) = figure.legends
    assert all(axes.get_legend() is None for axes in figure.axes)
    box = legend.get_window_extent()
    assert not any(box.overlaps(axes.get_window_extent()) for axes in figure.axes)
    named = {text.get_text() for text in legend.get_texts()}
    assert f"final weights on test: {run.test.misses:,} misses of 1,000" in named


def test_epochs_that_are_below_the_panel_are_marked(run):
    rows = [
        msgspec.structs.replace(run.history[0], val_misses=450 if n < 2 else 5) for n in range(8)
    ]
    (_, accuracy) = plot_curves(msgspec.structs.replace(run, history=rows)).axes
    (marks,) = [line for line in accuracy.lines if line.get_label() == "below the panel"]
    assert list(marks.get_xdata()) == [1, 2]
    assert accuracy.get_ylim()[0] > 90


def test_an_epoch_is_a_whole_number_even_where_there_is_one(run):
    figure = plot_curves(msgspec.structs.replace(run, history=run.history[:1]))
    figure.draw_without_rendering()
    low, high = figure.axes[0].get_xlim()
    assert [tick for tick in figure.axes[0].get_xticks() if low <= tick <= high] == [1]


def test_a_run_without_val_has_a_training_curve_alone(
    make_run, small_entry, found, sample, tmp_path
):
    run = make_run(replace(small_entry, recipe=replace(small_entry.recipe, val_images=0)), 0)
    assert [len(axes.lines) for axes in plot_curves(run).axes] == [1, 1]
    assert len(draw_run(tmp_path, run, found, sample.test)) == 4


def test_the_confusion_matrix_shows_every_count_and_colours_the_wrong_ones(run):
    figure = plot_confusion(run)
    (axes,) = figure.axes
    cells = {
        (int(text.get_position()[1]), int(text.get_position()[0])): text.get_text()
        for text in axes.texts
    }
    assert cells == {
        (true, predicted): str(count or "")
        for true, row in enumerate(run.confusion)
        for predicted, count in enumerate(row)
    }
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert labels == [
        f"{true}: {sum(row) - row[true]:,} of {sum(row):,}"
        for true, row in enumerate(run.confusion)
    ]
    coloured = axes.images[0].get_array()
    assert coloured.diagonal().tolist() == [0] * 10 and coloured.sum() == run.test.misses
    assert f"small, seed 0, mnist_sample: {run.test.misses} misses of 1,000" in texts(figure)


def shown(axes):
    """Each text of a sheet of misses, with the image below it."""
    return zip(axes.texts, axes.images, strict=True)


def test_the_misses_are_shown_most_confident_first_with_index_digits_and_confidence(
    run, found, sample
):
    figure = plot_misses(run, found, sample.test)
    (axes,) = figure.axes
    confidence = found.logits.softmax(1).amax(1)
    expected = sorted(found.missed, key=lambda index: -confidence[index])[:MAX_SHOWN]
    assert [text.get_text() for text in axes.texts] == [
        f"#{index}\n{sample.test.labels[index]} as {found.missed[index]}, {confidence[index]:.0%}"
        for index in expected
    ]
    assert all(
        torch.equal(torch.tensor(image.get_array()), sample.test.pixels[index, 0])
        for image, index in zip(axes.images, expected, strict=True)
    )
    places = [(image.get_extent()[3], image.get_extent()[0]) for image in axes.images]
    assert places == sorted(places) and len(set(places)) == MAX_SHOWN
    above = [text.get_position()[1] < image.get_extent()[3] for text, image in shown(axes)]
    assert above == [True] * MAX_SHOWN
    assert f"({run.test.misses} of 1,000, the {MAX_SHOWN} most confident)" in figure.get_suptitle()


def test_the_sheet_of_misses_is_filled_by_framed_images(run, found, sample):
    """The rows follow each other closely: the images have more than two thirds of the height."""
    figure = plot_misses(run, found, sample.test)
    figure.draw_without_rendering()
    (axes,) = figure.axes
    frames = [patch.get_window_extent() for patch in axes.patches]
    assert sum(frame.height for frame in frames[::COLUMNS]) > figure.bbox.height * 2 / 3
    assert [frame.width for frame in frames] == pytest.approx([frames[0].height] * MAX_SHOWN)
    for frame, image in zip(frames, axes.images, strict=True):
        assert frame.bounds == pytest.approx(image.get_window_extent().bounds)
        assert all(figure.bbox.contains(*corner) for corner in frame.corners())


@pytest.mark.parametrize("count", [0, 1, 11])
def test_few_misses_are_all_shown_and_none_is_a_picture_too(count, run, found, sample, tmp_path):
    logits = torch.nn.functional.one_hot(found.labels, 10).float()
    logits[:count] = logits[:count].roll(1, 1)
    right = Measurement(logits, found.labels)
    figure = plot_misses(without_misses(run, count), right, sample.test)
    assert len(figure.axes[0].images) == right.misses == count
    assert f"({count} of 1,000)" in figure.get_suptitle()
    assert matplotlib.image.imread(save_figure(figure, tmp_path / "misses.png")).ndim == 3
    assert (
        matplotlib.image.imread(
            save_figure(plot_confusion(without_misses(run, count)), tmp_path / "confusion.png")
        ).ndim
        == 3
    )


def test_a_grid_has_a_named_row_for_each_augmentation(sample):
    images = sample.test.pixels[:3].float() / 255
    figure = plot_augmentations({"as it is": images, "Darker\nhalf": images / 2})
    assert [axes.get_ylabel() for axes in figure.axes] == ["as it is", "Darker\nhalf"]
    darker = torch.tensor(figure.axes[1].images[0].get_array())
    assert torch.equal(darker[:, 31:59], images[1, 0] / 2)


def test_a_picture_that_cannot_be_drawn_leaves_the_old_one(run, tmp_path):
    figure = plot_curves(run)
    figure.axes[0].set_title("$\\no_such_command$")
    (tmp_path / "curves.png").write_text("old")
    with pytest.raises(ValueError, match="no_such_command"):
        save_figure(figure, tmp_path / "curves.png")
    assert [path.read_text() for path in tmp_path.iterdir() if path.is_file()] == ["old"]
