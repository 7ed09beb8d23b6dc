"""Every entry of the zoo: a network, the recipe that trains it, the budget that it keeps.

Literals only: what a recipe or a budget can say is in `utils/entry.py`, the networks are in `model.py`.
"""

from model import EraA6, Net3, Slim
from utils.entry import (
    EMA,
    SGD,
    Affine,
    BatchNorm,
    Budget,
    Cutout,
    Dropout,
    Entry,
    Erase,
    GlobalAveragePooling,
    Jitter,
    OneCycle,
    PadCrop,
    Recipe,
)

ZOO = (
    Entry(
        name="slim",
        network=Slim,
        recipe=Recipe(
            epochs=18,
            batch_size=128,
            optimizer=SGD(momentum=0.9, weight_decay=5e-4, decay_all=False),
            schedule=OneCycle(max_lr=0.1),
            augment=(Affine(rotate=8, translate=0.06, scale=0.08, shear=4),),
            average=EMA(decay=0.999),
        ),
        budget=Budget(
            max_params=20_000,
            max_epochs=20,
            max_misses=60,
            seeds=5,
            requires=(BatchNorm(), Dropout(), GlobalAveragePooling()),
        ),
    ),
    Entry(
        name="net3",
        source="reference 003: Net3, 99.42 % at its best epoch on test",
        network=Net3,
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
            requires=(BatchNorm(), Dropout(), GlobalAveragePooling()),
        ),
    ),
    Entry(
        name="era_a6",
        source="reference 004: ERA assignment 6, 99.42 % claimed",
        network=EraA6,
        recipe=Recipe(
            epochs=15,
            batch_size=128,
            optimizer=SGD(momentum=0.9, weight_decay=5e-4),
            schedule=OneCycle(max_lr=0.1, pct_start=0.3, div_factor=25, final_div_factor=1e4),
            augment=(
                Affine(rotate=15),
                Affine(translate=0.1, scale=0.1, shear=5),
                Jitter(brightness=0.2, contrast=0.2),
                Erase(p=0.2),
            ),
            val_images=50,
        ),
        budget=Budget(
            max_params=20_000,
            max_epochs=20,
            max_misses=58,
            requires=(BatchNorm(except_last=True), Dropout(), GlobalAveragePooling()),
        ),
    ),
)
