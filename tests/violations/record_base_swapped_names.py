"""Caught by ratchet: two entries swap names, and one of them its limit with the name."""

from tampering import commit, edit

SECOND = """
from dataclasses import replace


class Wide(Tiny):
    def __init__(self):
        super().__init__()
        self.classify = nn.Sequential(nn.Linear(3 * WIDTH, 16), nn.Linear(16, 10))


SMALL = replace(ZOO[0].budget, max_params=5_000)
LARGE = replace(ZOO[0].budget, max_params=9_000)
ZOO = (
    replace(ZOO[0], budget=SMALL),
    replace(ZOO[0], name="wide", network=Wide, budget=LARGE),
)
"""


def tamper(folder):
    path = folder / "zoo.py"
    path.write_text(path.read_text() + SECOND)
    commit(folder)
    (folder / "results.json").unlink()
    edit(
        path,
        "    replace(ZOO[0], budget=SMALL),",
        "    replace(ZOO[0], network=Wide, budget=SMALL),",
    )
    edit(path, 'name="wide", network=Wide, budget', 'name="wide", budget')
