"""Every entry of the zoo: a network, the recipe that trains it, the budget that it keeps.

Literals only: `utils/recipe.py` and `utils/augmentations.py` say what a recipe can hold, `model.py`
has the networks, and `docs/references.md` says whose projects the references are.
"""

from dataclasses import replace
from functools import partial

from model import (
    BigKernel,
    EraA6,
    LeNet,
    Narrow,
    Net3,
    ResNet5,
    Slim,
    SpatialTransformer,
    Sprint,
    VggDigits,
    WideResNet,
)
from torchbudget.data import FASHION_MNIST, KAGGLE_DEAL, MNIST
from torchbudget.declare.budget import BatchNorm, Budget, Dropout, GlobalAveragePooling
from torchbudget.declare.entry import Ensemble, Entry, Member
from torchbudget.declare.views import View
from utils.augmentations import (
    Affine,
    Cutout,
    Darken,
    Elastic,
    Erase,
    Flip,
    Jitter,
    PadCrop,
    Squeeze,
    Swell,
)
from utils.recipe import (
    EMA,
    SGD,
    SWA,
    Adam,
    Constant,
    Finish,
    Focus,
    Freeze,
    Lookahead,
    Mix,
    OneCycle,
    Recipe,
    ReduceOnPlateau,
    Rounding,
)
from utils.teacher import Teacher

SMALL = (BatchNorm(), Dropout(), GlobalAveragePooling())
"""What a network of fewer than 20,000 parameters is asked for, as in reference 003."""

# --- runs that vote, too -------------------------------------------------------------------------

TURNED_MOVED_ZOOMED = (Affine(rotate=10, translate=0.08, scale=0.1),)

TEN_EPOCHS = Recipe(
    epochs=10,
    batch_size=128,
    optimizer=Adam(),
    schedule=OneCycle(max_lr=3e-3),
    augment=TURNED_MOVED_ZOOMED,
)
"""Reference 002's augmentation in a third of its 30 epochs."""

STRONG = (Affine(rotate=10, translate=0.08, scale=0.1, shear=5), Elastic(alpha=40))
LIGHT = Finish(epochs=4, augment=(Affine(rotate=5, translate=0.04, scale=0.05),))
HARD = Focus(share=0.3, noise=1.0)

TWO_PHASES = Recipe(
    epochs=16,
    batch_size=128,
    optimizer=SGD(momentum=0.9, weight_decay=5e-4, decay_all=False),
    schedule=OneCycle(max_lr=0.1),
    augment=STRONG,
    finish=LIGHT,
    average=EMA(decay=0.998),
    focus=HARD,
)
"""More than reference 002's augmentation, then half of it, on hard images, in half its epochs."""

TWO_PHASES_ADAM = Recipe(
    epochs=16,
    batch_size=128,
    optimizer=Adam(),
    schedule=OneCycle(max_lr=2e-3),
    augment=STRONG,
    finish=LIGHT,
    average=EMA(decay=0.998),
    focus=HARD,
)
"""The same for a network without BatchNorm, which learns from Adam's smaller steps."""

VGG_AUGMENTED = Entry(
    name="vgg_augmented",
    source="reference 002, a member of model 4",
    network=VggDigits,
    data=MNIST,
    recipe=TEN_EPOCHS,
    stored="float16",
    budget=Budget(
        max_params=900_000, max_epochs=11, max_misses=50, seeds=5, requires=(BatchNorm(), Dropout())
    ),
)
VGG_TWO_PHASES = Entry(
    name="vgg_two_phases",
    source="reference 002, a member of model 5",
    network=VggDigits,
    data=MNIST,
    recipe=TWO_PHASES,
    stored="float16",
    budget=Budget(
        max_params=900_000, max_epochs=17, max_misses=50, seeds=2, requires=(BatchNorm(), Dropout())
    ),
)
BIG_KERNEL = Entry(
    name="big_kernel",
    source="reference 002, a member of model 5",
    network=BigKernel,
    data=MNIST,
    recipe=TWO_PHASES,
    stored="float16",
    budget=Budget(max_params=900_000, max_epochs=17, max_misses=55),
)
RESNET5 = Entry(
    name="resnet5",
    source="reference 002, a member of model 5",
    network=ResNet5,
    data=MNIST,
    recipe=TWO_PHASES,
    stored="float16",
    budget=Budget(max_params=210_000, max_epochs=17, max_misses=55),
)
STN = Entry(
    name="stn",
    source="reference 002, a member of model 5",
    network=SpatialTransformer,
    data=MNIST,
    recipe=TWO_PHASES_ADAM,
    stored="float16",
    budget=Budget(max_params=450_000, max_epochs=17, max_misses=55),
)
MIXED_ENSEMBLE = Ensemble(
    name="mixed_ensemble",
    source="reference 002, model 5",
    published=99.61,
    members=(
        Member(entry=VGG_TWO_PHASES, seeds=(0, 1)),
        Member(entry=BIG_KERNEL),
        Member(entry=RESNET5),
        Member(entry=STN),
    ),
    vote="probabilities",
    budget=Budget(max_params=3_500_000, max_epochs=17, max_misses=28),
)
RARELY_MIXED = Mix(p=0.102, cutmix=0.8, mixup_alpha=0.091, cutmix_alpha=0.35)
FIVE_VIEWS = (View(), View(right=1), View(right=-1), View(down=1), View(down=-1))

MIRRORED_VIEWS = (
    View(),
    View(right=1, down=1),
    View(right=-1, down=-1),
    View(flip="horizontal"),
    View(flip="horizontal", right=1, down=1),
    View(flip="horizontal", right=-1, down=-1),
)

WIDE = Recipe(
    epochs=30,
    batch_size=256,
    optimizer=SGD(momentum=0.9, weight_decay=5e-4, decay_all=False),
    lookahead=Lookahead(k=5, alpha=0.5),
    schedule=OneCycle(max_lr=0.2),
    augment=(Affine(rotate=12, translate=0.08, scale=0.12, shear=6),),
    mix=RARELY_MIXED,
    finish=Finish(epochs=6, augment=(Affine(rotate=6, translate=0.05, scale=0.06, shear=3),)),
    average=SWA(start_epoch=24, lr=0.01, statistics_batch=512),
    val_images=2_000,
)
"""Reference 000's table, with a higher rate and decay for 30 epochs from random weights."""

# --- the same on Kaggle's deal, where references 000 and 002 were scored ------------------------
# 42,000 images to train on, 28,000 to test

WIDE_KAGGLE = Recipe(
    epochs=32,
    batch_size=256,
    optimizer=SGD(momentum=0.9, weight_decay=5e-4, decay_all=False),
    lookahead=Lookahead(k=5, alpha=0.5),
    schedule=OneCycle(max_lr=0.2),
    augment=(Affine(rotate=12, translate=0.08, scale=0.12, shear=6), Elastic(alpha=40)),
    mix=RARELY_MIXED,
    finish=Finish(epochs=6, augment=(Affine(rotate=8, translate=0.06, scale=0.08, shear=4),)),
    average=SWA(start_epoch=26, lr=0.01, statistics_batch=512),
    focus=HARD,
)
"""`WIDE` with elastic moves, a stronger finish, a focus, two more epochs and 5,000 val images."""

VGG_KAGGLE = Entry(
    name="vgg_augmented_kaggle",
    source="reference 002, a member of model 4",
    network=VggDigits,
    data=KAGGLE_DEAL,
    recipe=TEN_EPOCHS,
    stored="float16",
    budget=Budget(
        max_params=900_000,
        max_epochs=11,
        max_misses=170,
        seeds=5,
        requires=(BatchNorm(), Dropout()),
    ),
)
VGG_TWO_PHASES_KAGGLE = Entry(
    name="vgg_two_phases_kaggle",
    source="reference 002, a member of model 5",
    network=VggDigits,
    data=KAGGLE_DEAL,
    recipe=TWO_PHASES,
    stored="float16",
    budget=Budget(
        max_params=900_000,
        max_epochs=17,
        max_misses=140,
        seeds=2,
        requires=(BatchNorm(), Dropout()),
    ),
)
BIG_KERNEL_KAGGLE = Entry(
    name="big_kernel_kaggle",
    source="reference 002, a member of model 5",
    network=BigKernel,
    data=KAGGLE_DEAL,
    recipe=TWO_PHASES,
    stored="float16",
    budget=Budget(max_params=900_000, max_epochs=17, max_misses=150),
)
RESNET5_KAGGLE = Entry(
    name="resnet5_kaggle",
    source="reference 002, a member of model 5",
    network=ResNet5,
    data=KAGGLE_DEAL,
    recipe=TWO_PHASES,
    stored="float16",
    budget=Budget(max_params=210_000, max_epochs=17, max_misses=150),
)
STN_KAGGLE = Entry(
    name="stn_kaggle",
    source="reference 002, a member of model 5",
    network=SpatialTransformer,
    data=KAGGLE_DEAL,
    recipe=TWO_PHASES_ADAM,
    stored="float16",
    budget=Budget(max_params=450_000, max_epochs=17, max_misses=130),
)
NORMED = (BatchNorm(), GlobalAveragePooling())
"""What a network of fewer than 10,000 parameters is asked for: it underfits without dropout."""

PATIENT = Recipe(
    epochs=40,
    batch_size=128,
    optimizer=SGD(momentum=0.9),
    schedule=OneCycle(max_lr=0.3),
    augment=(Affine(rotate=8, translate=0.06, scale=0.08, shear=4),),
    finish=Finish(epochs=8),
    average=EMA(decay=0.999),
)
"""For networks that underfit: a high rate, no decay, and a last phase on plain images."""

SPRINT = Recipe(
    epochs=3,
    batch_size=256,
    optimizer=SGD(momentum=0.9, weight_decay=5e-4, decay_all=False),
    schedule=OneCycle(max_lr=0.5, pct_start=0.3, div_factor=10),
    augment=(Affine(rotate=10, translate=0.07, scale=0.1, shear=6),),
    finish=Finish(epochs=1),
    focus=Focus(share=0.2, noise=1.0),
    freeze=Freeze(module="0", after=0.25),
    val_images=10_000,
)
"""99.4 % soonest: the stem learns for a quarter of it, and two epochs train on what is hard."""

ZOO = (
    Entry(
        name="slim",
        network=Slim,
        data=MNIST,
        recipe=Recipe(
            epochs=18,
            batch_size=128,
            optimizer=SGD(momentum=0.9, weight_decay=5e-4, decay_all=False),
            schedule=OneCycle(max_lr=0.1),
            augment=(Affine(rotate=8, translate=0.06, scale=0.08, shear=4),),
            average=EMA(decay=0.999),
        ),
        budget=Budget(max_params=20_000, max_epochs=20, max_misses=60, seeds=5, requires=SMALL),
    ),
    Entry(
        name="slim_taught",
        network=partial(Narrow, widths=(32, 48, 64, 80, 79), dropout=0.1, full=16),
        data=MNIST,
        recipe=replace(
            PATIENT,
            epochs=18,
            batch_size=64,
            finish=Finish(epochs=4),
            teacher=Teacher(entry=MIXED_ENSEMBLE, temperature=4, copies=6),
        ),
        budget=Budget(max_params=20_000, max_epochs=20, max_misses=45, seeds=5, requires=SMALL),
    ),
    Entry(
        name="sprint",
        network=Sprint,
        data=MNIST,
        recipe=SPRINT,
        budget=Budget(
            max_params=20_000, max_epochs=5, max_misses=60, seeds=10, requires=(BatchNorm(),)
        ),
    ),
    Entry(
        name="dash",
        network=Sprint,
        data=MNIST,
        recipe=replace(
            SPRINT,
            epochs=1,
            batch_size=128,
            schedule=OneCycle(max_lr=1.0, pct_start=0.4, div_factor=10),
            augment=(),
            finish=None,
            focus=None,
            freeze=Freeze(module="0", after=0.2),
            label_smoothing=0.1,
            val_images=24_000,  # the 36,000 images left suffice for 99.0 %
        ),
        budget=Budget(
            max_params=20_000, max_epochs=2, max_misses=110, seeds=30, requires=(BatchNorm(),)
        ),
    ),
    Entry(
        name="under_10k",
        network=partial(Narrow, widths=(28, 36, 44, 48, 48)),
        data=MNIST,
        recipe=replace(PATIENT, epochs=16, finish=Finish(epochs=4)),
        budget=Budget(max_params=10_000, max_epochs=100, max_misses=55, seeds=5, requires=NORMED),
    ),
    Entry(
        name="under_5k",
        network=partial(Narrow, widths=(20, 24, 28, 32, 32)),
        data=MNIST,
        recipe=replace(PATIENT, epochs=25, finish=Finish(epochs=5)),
        budget=Budget(max_params=5_000, max_epochs=100, max_misses=60, seeds=5, requires=NORMED),
    ),
    Entry(
        name="under_2k",
        network=partial(Narrow, widths=(12, 14, 16, 18, 18)),
        data=MNIST,
        recipe=PATIENT,
        budget=Budget(max_params=2_000, max_epochs=100, max_misses=75, seeds=5, requires=NORMED),
    ),
    Entry(
        name="under_1k",
        network=partial(Narrow, widths=(8, 8, 10, 12, 11)),
        data=MNIST,
        recipe=PATIENT,
        budget=Budget(max_params=1_000, max_epochs=100, max_misses=105, seeds=5, requires=NORMED),
    ),
    Entry(
        name="under_500",
        network=partial(Narrow, widths=(5, 10, 10, 10, 10), shared=3),
        data=MNIST,
        recipe=replace(PATIENT, epochs=60, finish=Finish(epochs=12)),
        budget=Budget(max_params=500, max_epochs=100, max_misses=190, seeds=5, requires=NORMED),
    ),
    Entry(
        name="five_kilobytes",
        network=partial(Narrow, widths=(16, 20, 24, 28, 26)),
        data=MNIST,
        recipe=replace(PATIENT, epochs=20, finish=Finish(epochs=4), rounding=Rounding(epochs=2)),
        stored="int8",
        budget=Budget(
            max_params=4_000,
            max_weight_bytes=5_400,
            max_epochs=100,
            max_misses=60,
            seeds=5,
            requires=NORMED,
        ),
    ),
    Entry(
        name="fashion_slim",
        network=partial(Narrow, widths=(32, 48, 64, 80, 80)),
        data=FASHION_MNIST,
        recipe=replace(
            PATIENT,
            epochs=60,
            schedule=OneCycle(max_lr=0.2),
            augment=(Flip(), PadCrop(padding=2)),
            finish=Finish(epochs=12, augment=(Flip(),)),
        ),
        views=MIRRORED_VIEWS,
        budget=Budget(max_params=20_000, max_epochs=100, max_misses=670, seeds=5, requires=NORMED),
    ),
    Entry(
        name="net3",
        source="reference 003",
        published=99.42,
        network=Net3,
        data=MNIST,
        recipe=Recipe(
            epochs=20,
            batch_size=100,
            optimizer=SGD(momentum=0.9, nesterov=False, weight_decay=1e-5),
            schedule=OneCycle(max_lr=0.1, pct_start=0.3, div_factor=10, final_div_factor=100),
            augment=(
                PadCrop(padding=4),
                Jitter(brightness=0.4, contrast=0.4),
                Affine(rotate=15),
                Cutout(size=8, p=0.3),
            ),
            val_images=0,
        ),
        budget=Budget(
            max_params=20_000,
            max_epochs=21,
            max_misses=58,
            requires=SMALL,
        ),
    ),
    Entry(
        name="net3_patches",
        source="reference 003, with the augmentations that its author set aside",
        published=99.42,
        network=Net3,
        data=MNIST,
        recipe=Recipe(
            epochs=18,
            batch_size=128,
            optimizer=SGD(momentum=0.9, weight_decay=5e-4, decay_all=False),
            schedule=OneCycle(max_lr=0.1),
            augment=(
                Affine(rotate=8, translate=0.06, scale=0.08),
                Jitter(brightness=0.4, contrast=0.4),
                Cutout(size=8, p=0.05),
                Squeeze(per_class=1),
                Swell(per_class=1),
                Darken(per_class=1),
            ),
        ),
        budget=Budget(max_params=20_000, max_epochs=20, max_misses=45, requires=SMALL),
    ),
    Entry(
        name="era_a6",
        source="reference 004",
        published=99.42,
        network=EraA6,
        data=MNIST,
        recipe=Recipe(
            epochs=15,
            batch_size=128,
            optimizer=SGD(momentum=0.9, weight_decay=5e-4),
            schedule=OneCycle(max_lr=0.1, pct_start=0.3, div_factor=25, final_div_factor=1e4),
            augment=(
                Affine(rotate=15),
                Affine(translate=0.1, scale=0.1, shear=5),
                Jitter(brightness=0.2, contrast=0.2),
                Erase(p=0.2, value=0.1307),
            ),
            val_images=50,
        ),
        budget=Budget(
            max_params=20_000,
            max_epochs=20,
            max_misses=55,
            requires=(BatchNorm(except_last=True), Dropout(), GlobalAveragePooling()),
        ),
    ),
    Entry(
        name="lenet_sgd",
        source="reference 002, model 1",
        published=97.928,
        network=LeNet,
        data=MNIST,
        recipe=Recipe(
            epochs=10, batch_size=64, optimizer=SGD(nesterov=False), schedule=Constant(lr=0.01)
        ),
        budget=Budget(max_params=45_000, max_epochs=11, max_misses=150),
    ),
    Entry(
        name="lenet_adam",
        source="reference 002, model 2",
        published=98.757,
        network=LeNet,
        data=MNIST,
        recipe=Recipe(
            epochs=15,
            batch_size=64,
            optimizer=Adam(),
            schedule=ReduceOnPlateau(lr=1e-3, factor=0.2, patience=1),
        ),
        budget=Budget(max_params=45_000, max_epochs=16, max_misses=110),
    ),
    Entry(
        name="vgg_digits",
        source="reference 002, model 3",
        published=99.207,
        network=VggDigits,
        data=MNIST,
        recipe=Recipe(epochs=10, batch_size=128, optimizer=Adam(), schedule=OneCycle(max_lr=3e-3)),
        stored="float16",
        budget=Budget(
            max_params=900_000, max_epochs=11, max_misses=60, requires=(BatchNorm(), Dropout())
        ),
    ),
    VGG_AUGMENTED,
    Ensemble(
        name="vgg_ensemble",
        source="reference 002, model 4",
        published=99.571,
        members=(Member(entry=VGG_AUGMENTED, seeds=(0, 1, 2, 3, 4)),),
        vote="logits",
        budget=Budget(
            max_params=4_500_000, max_epochs=11, max_misses=32, requires=(BatchNorm(), Dropout())
        ),
    ),
    VGG_TWO_PHASES,
    BIG_KERNEL,
    RESNET5,
    STN,
    MIXED_ENSEMBLE,
    Entry(
        name="wide_resnet",
        source="reference 000",
        published=99.78,
        network=WideResNet,
        data=MNIST,
        recipe=WIDE,
        views=FIVE_VIEWS,
        stored="float16",
        budget=Budget(
            max_params=700_000,
            max_epochs=31,
            max_misses=25,
            requires=(BatchNorm(), GlobalAveragePooling()),
        ),
    ),
    VGG_KAGGLE,
    Ensemble(
        name="vgg_ensemble_kaggle",
        source="reference 002, model 4",
        published=99.571,
        members=(Member(entry=VGG_KAGGLE, seeds=(0, 1, 2, 3, 4)),),
        vote="logits",
        budget=Budget(
            max_params=4_500_000, max_epochs=11, max_misses=120, requires=(BatchNorm(), Dropout())
        ),
    ),
    VGG_TWO_PHASES_KAGGLE,
    BIG_KERNEL_KAGGLE,
    RESNET5_KAGGLE,
    STN_KAGGLE,
    Ensemble(
        name="mixed_ensemble_kaggle",
        source="reference 002, model 5",
        published=99.61,
        members=(
            Member(entry=VGG_TWO_PHASES_KAGGLE, seeds=(0, 1)),
            Member(entry=BIG_KERNEL_KAGGLE),
            Member(entry=RESNET5_KAGGLE),
            Member(entry=STN_KAGGLE),
        ),
        vote="probabilities",
        budget=Budget(max_params=3_500_000, max_epochs=17, max_misses=109),
    ),
    Entry(
        name="wide_resnet_kaggle",
        source="reference 000",
        published=99.94,
        network=WideResNet,
        data=KAGGLE_DEAL,
        recipe=WIDE_KAGGLE,
        stored="float16",
        budget=Budget(
            max_params=700_000,
            max_epochs=33,
            max_misses=110,
            seeds=3,
            requires=(BatchNorm(), GlobalAveragePooling()),
        ),
    ),
)
