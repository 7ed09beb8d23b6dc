"""Caught by leak: a teacher that was trained on some of the images that its pupil is chosen by."""

from tampering import add_pupil


def tamper(folder):
    add_pupil(folder, **{"val_images=500": "val_images=600"})
