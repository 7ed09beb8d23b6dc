"""Caught by leak: what taught the teacher was trained on images that the pupil is chosen by."""

from tampering import add_pupil


def tamper(folder):
    between = """BETWEEN = replace(
    TINY, name="between", recipe=replace(TINY.recipe, val_images=600, teacher=Teacher(entry=TINY))
)
PUPIL ="""
    add_pupil(
        folder,
        **{
            "PUPIL =": between,
            "val_images=500, teacher=Teacher(entry=TINY": (
                "val_images=600, teacher=Teacher(entry=BETWEEN"
            ),
            "(PUPIL,": "(PUPIL, BETWEEN,",
        },
    )
