"""What the judge uses of torch beyond its public API."""

import re
import subprocess
import sys
from pathlib import Path

import torch

import torchbudget
from torchbudget.network.private_torch import TRIED_VERSIONS

PACKAGE = Path(torchbudget.__file__).parent
PRIVATE = r"torch\._(?!pytree|_file)\w+|_NormBase|_schema|_orig_mod|_should_skip_dynamo|make_fx"


def test_this_version_of_torch_was_tried():
    minor = ".".join(torch.__version__.split(".")[:2])
    assert minor in TRIED_VERSIONS, (
        f"torch {minor} was not tried: run tests/torchbudget/network and the corpus of "
        "violations with it, compare the digests of all entries (torchbudget check --only chain), "
        "mend torchbudget/network/private_torch.py, then add it to TRIED_VERSIONS there"
    )


def test_private_names_are_in_one_file():
    users = {
        path.name
        for path in (PACKAGE / "network").glob("*.py")
        if re.search(PRIVATE, path.read_text())
    }
    assert users == {"private_torch.py"}


def test_tracing_and_counting_do_not_import_the_compiler():
    program = """
import sys, torch
from torch import nn
from torchbudget.data.images import ImageSpec
from torchbudget.building.artefact import read_network
from torchbudget.building.builder import capture_network
from torchbudget.network.inspection import Inspection
make = lambda: nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(2 * 4 * 4, 3))
inspection = Inspection(read_network(*capture_network(make, ImageSpec((1, 6, 6), 3))))
assert inspection.digest and inspection.multiply_adds and inspection.receptive_field == 6
sys.exit("torch._dynamo" in sys.modules)
"""
    assert subprocess.run([sys.executable, "-c", program], cwd=PACKAGE.parent).returncode == 0
