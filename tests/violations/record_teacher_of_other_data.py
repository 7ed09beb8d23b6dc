"""Caught by leak: a teacher of another data set, which may hold the pupil's test images."""

from tampering import add_pupil


def tamper(folder):
    other = """OTHER = replace(TINY, name="other", data=replace(TINY.data, name="other_data"))
PUPIL ="""
    add_pupil(
        folder,
        **{"PUPIL =": other, "entry=TINY": "entry=OTHER", "(PUPIL,": "(PUPIL, OTHER,"},
    )
