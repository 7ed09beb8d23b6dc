"""Distillation: a copy is answered once, runs resume to the byte, no teacher leaks or is stale."""

import shutil
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from conftest import train_zoo
from safetensors.torch import save
from tampering import add_pupil, failed, judge, read_run, reship
from tiny_zoo import ZOO

import train
from torchbudget.data.split import split_train_val
from torchbudget.declare.budget import Budget
from torchbudget.declare.entry import Ensemble, Member, describe
from torchbudget.declare.teaching import find_teacher, list_teachers
from torchbudget.declare.zoofile import load_zoo
from torchbudget.errors import CheckpointError, DeclarationError, UsageError, ZooError
from torchbudget.evidence.measure import infer
from torchbudget.evidence.results import read_results
from torchbudget.evidence.weights import load_shipped, to_safetensors
from utils import lessons
from utils.augmentations import Affine, Squeeze
from utils.checkpoint import load_checkpoint, save_checkpoint
from utils.lab_book import read_book
from utils.options import parse
from utils.recipe import Finish, Mix, Teacher
from utils.resume import resume_training
from utils.runs import RunPaths, is_current
from utils.space import make_space
from utils.table import list_headings, make_rows
from utils.teachers import open_lessons, teachers_first
from utils.training import Training

(TINY,) = ZOO
RECIPE = replace(
    TINY.recipe,
    epochs=4,
    finish=Finish(epochs=1),
    teacher=Teacher(entry=TINY, seeds=(0, 1), copies=2),
)
PUPIL = replace(TINY, name="pupil", budget=replace(TINY.budget, seeds=1), recipe=RECIPE)


@pytest.fixture(scope="module")
def images(sample):
    """500 images to train on, 500 of val."""
    train_images, val = split_train_val(sample, 500)
    return train_images[torch.arange(500)], val


@pytest.fixture
def paths(zoo):
    return RunPaths.beside(zoo / "zoo.py")


def open_for(entry, images, paths, sample):
    found = open_lessons(entry, sample, *images, paths)
    assert found is not None
    return found


def train_pupil(entry, seed, images, taught, state=None, epochs=4):
    training = Training(entry, seed, *images, torch.device("cpu"), taught)
    if state:
        training.load_state_dict(state)
    while len(training.history) < epochs:
        training.epoch()
    return training


def test_a_taught_run_resumes_to_the_byte_with_its_answers_kept_or_gone(images, paths, sample):
    def lessons_again():
        return open_for(PUPIL, images, paths, sample)

    whole = to_safetensors(train_pupil(PUPIL, 0, images, lessons_again()).final_network())
    half = train_pupil(PUPIL, 0, images, lessons_again(), epochs=2)
    save_checkpoint(paths.checkpoints, 2, half.state_dict())
    for gone in (False, True):
        if gone:
            shutil.rmtree(paths.output / "lessons")
        rest = train_pupil(
            PUPIL, 0, images, lessons_again(), state=load_checkpoint(paths.checkpoints)
        )
        assert to_safetensors(rest.final_network()) == whole


def test_a_run_that_other_weights_taught_is_not_resumed(images, zoo, paths, sample):
    half = train_pupil(PUPIL, 0, images, open_for(PUPIL, images, paths, sample), epochs=1)
    reship(zoo, 1, lambda state: save({name: 2 * part for name, part in state.items()}))
    other = Training(PUPIL, 0, *images, half.device, open_for(PUPIL, images, paths, sample))
    with pytest.raises(CheckpointError, match="taught by other weights"):
        resume_training(other, save_with_recipe(half, paths.checkpoints))


def save_with_recipe(training, folder):
    """A checkpoint as a run leaves it."""
    save_checkpoint(folder, 1, training.state_dict() | {"recipe": describe(training.recipe)})
    return folder


def test_the_teacher_answers_each_copy_once_for_all_seeds_and_students(images, paths, sample):
    """The second student's teacher could not be run: its weights are not where they were."""
    train_pupil(PUPIL, 0, images, open_for(PUPIL, images, paths, sample))
    assert len(list((paths.output / "lessons").glob("*.safetensors"))) == 2 + 1
    other = replace(PUPIL, name="other", recipe=replace(RECIPE, batch_size=25))
    taught = open_for(other, images, paths, sample)
    taught.paths = dict.fromkeys(taught.paths, paths.weights / "none")
    train_pupil(other, 1, images, taught)


def test_answers_are_the_vote_on_the_images_that_the_student_sees(images, paths, sample):
    taught = open_for(PUPIL, images, paths, sample)
    augment = PUPIL.recipe.augment
    first, second, again = (taught.get(augment, epoch) for epoch in range(3))
    assert torch.equal(first.pixels, again.pixels) and not torch.equal(first.pixels, second.pixels)
    plain = taught.get((), 7)
    assert torch.equal(plain.pixels, images[0].pixels)
    networks = [load_shipped(TINY, seed, paths.weights) for seed in (0, 1)]
    for lesson in (first, second, plain):
        assert lesson.answers.dtype == torch.float16
        probabilities = [
            infer(network, lesson.pixels, images[0].image).softmax(1) for network in networks
        ]
        mean = torch.stack(probabilities).mean(0)
        assert torch.allclose(lesson.answers.float().softmax(1), mean, atol=2e-2)


def test_a_damaged_answer_is_asked_again(images, paths, sample):
    taught = open_for(PUPIL, images, paths, sample)
    taught.prepare((), 0)
    (path,) = (paths.output / "lessons").glob("*.safetensors")
    whole = path.read_bytes()
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 1
    for damaged in (whole[:100], b"", bytes(flipped)):
        path.write_bytes(damaged)
        taught.prepare((), 0)
        assert path.read_bytes() == whole


def test_answers_on_disk_stay_within_their_bound(images, paths, sample, monkeypatch):
    entry = replace(PUPIL, recipe=replace(RECIPE, teacher=Teacher(entry=TINY, copies=9)))
    taught = open_for(entry, images, paths, sample)
    augment = entry.recipe.augment
    taught.prepare(augment, 0)
    (first,) = (paths.output / "lessons").glob("*.safetensors")
    monkeypatch.setattr(lessons, "MAX_BYTES", 3 * first.stat().st_size)
    for epoch in range(1, 9):
        taught.prepare(augment, epoch)
        assert len(list((paths.output / "lessons").glob("*.safetensors"))) <= 3
    assert not first.exists() and torch.equal(
        taught.get(augment, 0).answers, taught.get(augment, 9).answers
    )


def test_the_loss_is_hinton_s():
    torch.manual_seed(0)
    logits, answers = torch.randn(2, 5, 10)
    losses = F.cross_entropy(logits, torch.arange(5), reduction="none")
    teacher = Teacher(entry=TINY, temperature=3.0, share=0.7)
    p, q = ((part.double() / 3).softmax(1) for part in (answers, logits))
    expected = 0.3 * losses + 0.7 * 9 * (p * (p / q).log()).sum(1)
    assert torch.allclose(teacher.loss(losses, logits, answers), expected.float(), atol=1e-5)
    assert torch.equal(replace(teacher, share=0).loss(losses, logits, answers), losses)
    assert (replace(teacher, share=1).loss(losses, answers, answers) == 0).all()


def test_a_student_learns_from_its_teacher_alone(images, paths, sample):
    """Labels count nothing: what is left is the teacher's answers."""
    teacher = Teacher(entry=TINY, share=1.0, temperature=1.0)
    entry = replace(PUPIL, recipe=replace(RECIPE, teacher=teacher))
    wrong = replace(images[0], labels=(images[0].labels + 1) % 10)
    training = train_pupil(
        entry, 0, (wrong, images[1]), open_for(entry, (wrong, images[1]), paths, sample), epochs=4
    )
    assert training.history[-1].train_loss < training.history[0].train_loss / 2
    assert training.history[-1].val_misses < 450


# --- runs, records, gates -------------------------------------------------------------------------


def test_a_taught_run_passes_until_its_teacher_is_trained_again(zoo, capsys):
    add_pupil(zoo)
    assert judge(zoo, "pupil", "--only", "leak,chain")[0] == 0
    train_zoo(zoo, "pupil", "--record")
    run = next(run for run in read_results(zoo / "results.json") if run.entry == "pupil")
    assert run.teacher.entry == "tiny" and list(run.teacher.weights) == [
        f"tiny-seed{seed}-mnist_sample" for seed in (0, 1)
    ]
    pupil = load_zoo(zoo / "zoo.py")["pupil"]
    store = RunPaths.beside(zoo / "zoo.py").shipped
    assert judge(zoo, "pupil")[0] == 0 and is_current(pupil, 0, "mnist_sample", store)
    rows = make_rows(zoo / "zoo.py", zoo / "results.json")
    assert [row.taught_by for row in rows] == ["tiny", None]
    assert list_headings(rows)[-1] == "taught by" and "taught by" not in list_headings(rows[1:])
    capsys.readouterr()
    reship(zoo, 1, lambda state: save({name: 2 * part for name, part in state.items()}))
    _, verdicts = judge(zoo, "pupil", "--only", "leak,chain")
    assert failed(verdicts) == {"chain"} and not is_current(pupil, 0, "mnist_sample", store)
    assert "tiny-seed1-mnist_sample has other weights now" in verdicts["chain"]["observed"]
    assert "pupil --seed 0" in verdicts["chain"]["remedy"]
    assert "teacher" not in read_run(zoo, 0)


DECLARED = """
from dataclasses import replace

from utils.recipe import Teacher

(TINY,) = ZOO
PUPIL = replace(
    TINY, name="pupil",
    recipe=replace(TINY.recipe, val_images=500, teacher=Teacher(entry=TINY, seeds=(0, 1))))
ZOO = (PUPIL, TINY)
"""


@pytest.mark.parametrize(
    ("exchange", "code", "reason"),
    [
        ({"val_images=500": "val_images=600"}, 1, "was trained on 100 of the 600 val images"),
        ({"seeds=(0, 1)": "seeds=(0,), share=2"}, 2, "share must be from 0 to 1"),
        ({"seeds=(0, 1)": "seeds=(0, 2)"}, 2, "seeds must be different ones of the 2"),
        ({"ZOO = (PUPIL, TINY)": "ZOO = (PUPIL,)"}, 2, "teachers are entries that are judged"),
        ({"entry=TINY": 'entry=replace(TINY, name="z")'}, 2, "is not in ZOO"),
    ],
)
def test_what_must_not_teach_does_not(zoo, exchange, code, reason, capsys):
    text = DECLARED
    for old, new in exchange.items():
        text = text.replace(old, new)
    zoo_file = zoo / "zoo.py"
    zoo_file.write_text(zoo_file.read_text() + text)
    assert train.main(["pupil", "--zoo", str(zoo_file)]) == code
    complaint = capsys.readouterr().err
    assert reason in complaint and complaint.count("\n") == 1
    assert len(read_results(zoo / "results.json")) == 2


def test_a_teacher_is_trained_before_what_it_teaches(zoo, capsys):
    (zoo / "weights/tiny-seed0-mnist_sample.safetensors").unlink()
    words = ["tiny", "--zoo", str(zoo / "zoo.py"), "--recipe.teacher", "tiny"]
    assert train.main([*words, "--trial"]) == train.main(words) == 3
    assert capsys.readouterr().err.count("train it first: python train.py tiny --seed 0") == 2
    assert [entry.name for entry in teachers_first([PUPIL, TINY])] == ["tiny", "pupil"]


def test_a_trial_tries_a_teacher_by_name_and_the_book_keeps_its_weights(zoo):
    words = ["tiny", "--trial", "--seeds", "0", "--recipe.epochs", "1"]
    words += ["--recipe.teacher", "tiny", "--recipe.teacher.seeds=0,1"]
    train_zoo(zoo, *words, "--recipe.teacher.share", "0.5")
    (trial,) = read_book(zoo / "lab/trials.jsonl")
    assert list(trial.teacher) == [f"tiny-seed{seed}-mnist_sample" for seed in (0, 1)]
    assert trial.recipe["teacher"] == {
        "kind": "Teacher",
        "entry": "tiny",
        "seeds": [0, 1],
        "temperature": 4.0,
        "share": 0.5,
        "copies": 8,
    }


# --- declarations ---------------------------------------------------------------------------------


def test_options_change_a_teacher_or_take_it_away():
    zoo = {entry.name: entry for entry in (PUPIL, TINY)}
    entry, overrides, _ = parse(["pupil", "--recipe.teacher.temperature", "2"], zoo)
    assert entry.recipe.teacher == replace(RECIPE.teacher, temperature=2.0)
    assert overrides == ["teacher.temperature=2.0"]
    assert parse(["pupil", "--recipe.teacher", "none"], zoo)[0].recipe.teacher is None
    assert parse(["pupil"], zoo)[:2] == (PUPIL, [])
    _, overrides, _ = parse(["tiny", "--recipe.teacher", "tiny", "--recipe.teacher.seeds=0,1"], zoo)
    assert overrides == ["teacher=tiny (seeds 0, 1; temperature 4, share 0.9, copies 8)"]


@pytest.mark.parametrize(
    "words",
    [
        ["--recipe.teacher"],
        ["--recipe.teacher", "nobody"],
        ["--recipe.teacher.share", "2"],
        ["--recipe.teacher.share", "much"],
        ["--recipe.teacher.seeds", "0,9"],
        ["--recipe.teacher.colour", "red"],
        ["--recipe.teacher", "none", "--recipe.teacher.share", "0.1"],
    ],
)
def test_options_of_a_teacher_that_do_not_fit_are_refused(words):
    zoo = {entry.name: entry for entry in (PUPIL, TINY)}
    with pytest.raises(UsageError):
        parse(["pupil", *words], zoo)
    with pytest.raises((UsageError, ZooError)):
        parse(["tiny", *words], zoo)


def test_a_teacher_excludes_mixing_and_needs_lessons(images):
    for changes in ({"mix": Mix()}, {"finish": Finish(epochs=1, mix=Mix())}, {"teacher": TINY}):
        with pytest.raises(DeclarationError):
            replace(RECIPE, **changes)
    with pytest.raises(ValueError, match="needs lessons"):
        Training(PUPIL, 0, *images, torch.device("cpu"))


def test_a_record_of_before_there_were_teachers_is_current():
    described = describe(TINY.recipe)
    assert described.pop("teacher") is None
    assert describe(RECIPE)["teacher"]["entry"] == "tiny"


def test_all_that_taught_is_found_through_ensembles_and_teachers():
    both = Ensemble(
        name="both", members=(Member(entry=TINY, seeds=(0, 1)),), budget=Budget(max_params=9_999)
    )
    recipe = replace(RECIPE, teacher=Teacher(entry=both))
    pupil = replace(PUPIL, recipe=recipe)
    assert find_teacher(pupil).networks == ((TINY, 0), (TINY, 1))
    recipe = replace(recipe, teacher=Teacher(entry=pupil))
    grandchild = replace(PUPIL, name="grandchild", recipe=recipe)
    assert [(entry.name, seed) for entry, seed in list_teachers(grandchild)] == [
        ("pupil", 0),
        ("tiny", 0),
        ("tiny", 1),
    ]
    crowd = Ensemble(name="c", members=(Member(entry=pupil),), budget=Budget(max_params=9_999))
    assert list_teachers(crowd) == list_teachers(pupil)
    assert list_teachers(TINY) == ()


def test_a_search_around_a_taught_recipe_leaves_the_teacher_as_it_is():
    names = make_space(PUPIL).ranges
    assert "schedule.max_lr" in names and not any(name.startswith("teacher") for name in names)


def test_augmentations_by_batch_have_copies_of_their_own_for_each_batch_size(images, paths, sample):
    recipe = replace(RECIPE, augment=(Affine(rotate=5), Squeeze(per_class=1)))
    one = open_for(replace(PUPIL, recipe=recipe), images, paths, sample)
    other = open_for(replace(PUPIL, recipe=replace(recipe, batch_size=25)), images, paths, sample)
    for taught in (one, other):
        taught.prepare(recipe.augment, 0)
    assert len(list((paths.output / "lessons").glob("*.safetensors"))) == 2
