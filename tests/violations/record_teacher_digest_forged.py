"""Caught by chain: a record that names weights as its teacher's which nobody ships."""

from tampering import add_pupil, edit_run, read_run


def tamper(folder):
    add_pupil(folder)
    teacher = read_run(folder, 0, of="pupil")["teacher"]
    teacher["weights"]["tiny-seed0-mnist_sample"] = "0" * 64
    edit_run(folder, 0, reseal=True, of="pupil", teacher=teacher)
