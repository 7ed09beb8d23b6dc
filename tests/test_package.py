"""The wheel: what it holds, and that it works beside a host project without this repository."""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from readme_blocks import read_blocks, read_examples, read_pages
from safetensors.torch import load_file
from torch import nn

import torchbudget
from torchbudget.errors import WeightsError
from torchbudget.evidence.state_dict import read_state_dict

ROOT = Path(__file__).resolve().parent.parent
PAGES = read_pages()
EXAMPLES = read_examples(PAGES)
PACKAGED = ("pyproject.toml", "README.md", "LICENSE")
HOST = {
    "pyproject.toml": '[tool.torchbudget]\nzoo = "zoo.py"\n',
    "utils/__init__.py": "WIDTH = 8\n",
    "gates/__init__.py": "raise RuntimeError('gates of the host')\n",
    "model.py": (
        "from torch import nn\nfrom utils import WIDTH\n\n\n"
        "def Net():\n"
        "    return nn.Sequential(\n"
        "        nn.Conv2d(1, WIDTH, 5), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),\n"
        "        nn.Linear(WIDTH, 10),\n"
        "    )\n"
    ),
    "test_host.py": "import utils\n\n\ndef test_own():\n    assert utils.WIDTH == 8\n",
}
"""A host project whose folders have the names that this repository uses."""


def run(folder: Path, *command: str | Path) -> subprocess.CompletedProcess:
    """A command in `folder`, with nothing of this repository on Python's path."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


@pytest.fixture(scope="session")
def dist(tmp_path_factory) -> Path:
    """The folder with the wheel and the sdist of a copy of this tree."""
    tree = tmp_path_factory.mktemp("source") / "tree"
    tracked = run(ROOT, "git", "ls-files", "*.py", "*.typed", *PACKAGED).stdout.splitlines()
    for name in tracked:
        target = tree / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, target)
    done = run(tree, sys.executable, "-m", "build", "--no-isolation", "--outdir", "dist")
    assert done.returncode == 0, done.stdout + done.stderr
    return tree / "dist"


@pytest.fixture(scope="session")
def installed(dist, tmp_path_factory) -> Path:
    """The programs' folder of an environment with the wheel, beside the packages that run here."""
    folder = tmp_path_factory.mktemp("bare")
    done = run(folder, sys.executable, "-m", "venv", "venv")
    assert done.returncode == 0, done.stderr
    (packages,) = (folder / "venv" / "lib").glob("*/site-packages")
    (packages / "third_party.pth").write_text(sysconfig.get_path("purelib") + "\n")
    programs = folder / "venv" / "bin"
    (wheel,) = dist.glob("*.whl")
    install = (programs / "python", "-m", "pip", "install", "--no-deps", "--no-index", wheel)
    done = run(folder, *install)
    assert done.returncode == 0, done.stderr
    return programs


@pytest.fixture
def host(tmp_path, declare_net) -> Path:
    """A host project of its own."""
    for name, text in {**HOST, "zoo.py": declare_net}.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return tmp_path


@pytest.fixture
def declare_net() -> str:
    """A zoo file of six lines."""
    return (
        "from model import Net\n"
        "from torchbudget import Budget, Entry, data\n\n"
        "BUDGET = Budget(max_params=1_000, max_misses=9_000, max_epochs=9)\n"
        'ZOO = (Entry(name="net", network=Net, data=data.MNIST_SAMPLE, budget=BUDGET),)\n'
    )


# --- what it holds --------------------------------------------------------------------------------


def test_the_wheel_holds_the_package_and_its_metadata_only(dist):
    (wheel,) = dist.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    tops = {name.split("/")[0] for name in names}
    assert tops == {"torchbudget", f"torchbudget-{torchbudget.__version__}.dist-info"}
    sources = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "torchbudget").rglob("*")
        if path.suffix == ".py" or path.name == "py.typed"
    }
    assert {name for name in names if name.startswith("torchbudget/")} == sources


def test_the_sdist_builds_and_holds_nothing_of_the_zoo(dist):
    (sdist,) = dist.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {*PACKAGED, "torchbudget/cli.py"} <= names
    assert not {name for name in names if name.startswith(("zoo", "model", "utils", "weights"))}


# --- the public names -----------------------------------------------------------------------------


def test_the_public_names_are_there_and_listed():
    assert set(torchbudget.__all__) <= set(dir(torchbudget))
    assert all(getattr(torchbudget, name) is not None for name in torchbudget.__all__)
    with pytest.raises(AttributeError, match="no attribute 'Nonsense'"):
        _ = torchbudget.Nonsense


@pytest.mark.parametrize("module", ["torchbudget", "torchbudget.plugin", "torchbudget.cli"])
def test_importing_it_imports_neither_torch_nor_numpy(module):
    program = f"import sys, {module}; print({{'torch', 'numpy', 'rich'}} & set(sys.modules))"
    assert run(ROOT, sys.executable, "-c", program).stdout == "set()\n"


# --- beside a host project ------------------------------------------------------------------------


def test_the_command_judges_a_host_project_and_shadows_nothing_of_it(installed, host):
    done = run(host, installed / "torchbudget", "check", "--only", "params")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == "1 pass; exit code 0"
    (host / "zoo.py").write_text((host / "zoo.py").read_text().replace("1_000", "10"))
    assert run(host, installed / "torchbudget", "check", "--only", "params").returncode == 1


def test_the_version_is_the_packages(installed, host):
    done = run(host, installed / "torchbudget", "--version")
    assert done.stdout == f"torchbudget {torchbudget.__version__}\n"


def test_pytest_runs_the_hosts_tests_and_the_gates(installed, host):
    pytest_command = (installed / "python", "-m", "pytest", "-p", "no:cacheprovider", "-rA", "-q")
    done = run(host, *pytest_command)
    assert "PASSED test_host.py::test_own" in done.stdout, done.stdout + done.stderr
    assert "PASSED zoo.py::net::params" in done.stdout
    assert "FAILED zoo.py::net::accuracy" in done.stdout  # nothing is recorded yet
    assert "Captured log" not in done.stdout
    own = run(host, *pytest_command, "test_host.py")
    assert own.returncode == 0 and "zoo.py" not in own.stdout


def test_a_suite_that_makes_errors_of_warnings_gets_the_same_verdict(installed, host):
    (host / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\n")
    command = (installed / "python", "-m", "pytest", "-p", "no:cacheprovider", "-q")
    done = run(host, *command, "zoo.py::net::params", "test_host.py")
    assert done.returncode == 0, done.stdout + done.stderr


# --- the tutorials' stories ----------------------------------------------------------------------

TRAIN = """
import numpy as np
import torch
import torch.nn.functional as F
from nets import Net

arrays = np.load("images.npz")
images = torch.from_numpy(arrays["x_train"]).permute(0, 3, 1, 2).float() / 255
images = (images - images.mean((0, 2, 3), keepdim=True)) / images.std((0, 2, 3), keepdim=True)
labels = torch.from_numpy(arrays["y_train"])
torch.manual_seed(0)
net = Net()
optimizer = torch.optim.Adam(net.parameters(), 0.02)
for _ in range(15):
    for index in torch.randperm(len(images)).split(50):
        optimizer.zero_grad()
        F.cross_entropy(net(images[index]), labels[index]).backward()
        optimizer.step()
torch.save(net.state_dict(), "best.pth")
"""
NETS = """
from torch import nn


class Net(nn.Sequential):
    def __init__(self):
        super().__init__(
            nn.Conv2d(3, 16, 3, stride=2, bias=False),
            nn.BatchNorm2d(16),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(4),
            nn.Flatten(),
            nn.Linear(16 * 16, 100),
        )
"""


def follow(folder: Path, programs: Path, page: str) -> str:
    """What a tutorial's commands print, run in `folder` as they are written, one block a time."""
    stories = [
        block
        for block in read_blocks(PAGES)
        if block.page == f"docs/tutorials/{page}.md" and block.runner == "stories"
    ]
    assert stories and stories[0].text.startswith("pip install")
    path = {"PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"}
    offline = {"PIP_NO_INDEX": "1", "PIP_NO_DEPS": "1"}
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment |= path | offline
    printed = []
    for block in stories:
        command = ["bash", "-euc", block.text]
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, encoding="utf-8"
        )
        assert done.returncode == 0, done.stdout + done.stderr
        printed.append(done.stdout)
    return "".join(printed)


def test_a_team_with_a_loop_of_its_own_gets_its_verdict(dist, installed, tmp_path):
    """3x32x32 images of a hundred classes, generated; zoo.py as the tutorial has it."""
    (wheel,) = dist.glob("*.whl")
    shutil.copy(wheel, tmp_path)
    zoo = EXAMPLES["team"].replace('data.torchvision("CIFAR100")', 'data.npz("images.npz")')
    (tmp_path / "zoo.py").write_text(zoo)
    (tmp_path / "nets.py").write_text(NETS)
    (tmp_path / "train.py").write_text(TRAIN)
    (tmp_path / "test_own.py").write_text("def test_own():\n    pass\n")
    (toml,) = re.findall(r"```toml\n(.*?)```", PAGES["docs/tutorials/team.md"], re.DOTALL)
    (tmp_path / "pyproject.toml").write_text(toml)
    generator = np.random.default_rng(0)
    patterns = generator.integers(0, 256, (100, 4, 4, 3)).repeat(8, 1).repeat(8, 2)
    arrays = {}
    for part, count in (("train", 2_000), ("test", 400)):
        labels = np.arange(count) % 100
        noise = generator.normal(0, 20, (count, 32, 32, 3))
        arrays[f"x_{part}"] = (patterns[labels] + noise).clip(0, 255).astype(np.uint8)
        arrays[f"y_{part}"] = labels
    np.savez(tmp_path / "images.npz", **arrays)
    trained = run(tmp_path, installed / "python", "train.py")
    assert trained.returncode == 0, trained.stderr
    printed = follow(tmp_path, installed, "team")
    assert "of 400" in printed and "not applicable; exit code 0" in printed
    assert (tmp_path / "weights/net-seed0-images.safetensors").is_file()
    pytest_command = (installed / "python", "-m", "pytest", "-p", "no:cacheprovider", "-q")
    suite = run(tmp_path, *pytest_command)
    assert suite.returncode == 0, suite.stdout + suite.stderr


def test_a_student_gets_a_verdict_on_a_network_and_a_pth(dist, installed, tmp_path):
    """Our flagship as somebody's own, on the sample, by the tutorial's zoo file and commands."""
    (wheel,) = dist.glob("*.whl")
    shutil.copy(wheel, tmp_path)
    zoo = EXAMPLES["student"].replace("data.MNIST", "data.MNIST_SAMPLE")
    (tmp_path / "zoo.py").write_text(zoo)
    model = (ROOT / "model.py").read_text()
    (tmp_path / "mynet.py").write_text(model + "\n\nclass Net(Slim):\n    pass\n")
    weights = load_file(ROOT / "weights/slim-seed0.safetensors")
    torch.save({"epoch": 18, "state_dict": weights}, tmp_path / "mynet.pth")
    printed = follow(tmp_path, installed, "student")
    assert "19,414" in printed and "mynet, seed 0:" in printed
    assert "1 not applicable; exit code 0" in printed


def test_scikit_learns_digits_are_recorded_by_the_loop_itself(installed, tmp_path):
    lines = EXAMPLES["record"].replace("batch_size=128", "batch_size=50")
    (tmp_path / "zoo.py").write_text(
        "from nets import Net\nfrom torchbudget import Budget, Entry, data\n"
        "BUDGET = Budget(max_params=9_000, max_epochs=20, min_accuracy=0.9)\n"
        'ZOO = (Entry(name="net", network=Net, data=data.DIGITS, budget=BUDGET),)\n'
    )
    (tmp_path / "nets.py").write_text(
        "from torch import nn\n\ndef Net():\n    return nn.Sequential(nn.Flatten(), "
        "nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))\n"
    )
    loop = TRAIN.replace('torch.save(net.state_dict(), "best.pth")', "steps = 15 * 29\n" + lines)
    loop = re.sub(
        r"arrays = .*labels = [^\n]*\n",
        "from torchbudget import data\n\ntrain = data.load_dataset(data.DIGITS).train\n"
        "images = train.image.normalise(train.pixels.float() / 255)\nlabels = train.labels\n",
        loop,
        flags=re.DOTALL,
    )
    (tmp_path / "loop.py").write_text(loop)
    done = run(tmp_path, installed / "python", "loop.py")
    assert done.returncode == 0, done.stderr
    judged = run(tmp_path, installed / "torchbudget", "check")
    assert judged.returncode == 0, judged.stdout + judged.stderr


SAVED = {
    "a whole network": (lambda: nn.Linear(2, 2), "holds Python objects, such as a whole network"),
    "a list": (lambda: [1, 2], "holds a list, no state dict; save its state dict"),
    "numbers": (lambda: {"epoch": 3}, "'epoch' is a int, where a state dict holds tensors"),
}


@pytest.mark.parametrize("what", SAVED)
def test_what_is_no_state_dict_is_refused_with_the_way_out(what, tmp_path):
    make, reason = SAVED[what]
    torch.save(make(), tmp_path / "best.pth")
    with pytest.raises(WeightsError, match=reason) as caught:
        read_state_dict(tmp_path / "best.pth")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("key", ["state_dict", "model_state_dict", "model"])
def test_a_checkpoint_is_unwrapped(key, tmp_path):
    state = nn.Linear(2, 3).state_dict()
    torch.save({key: state, "epoch": 3}, tmp_path / "best.pth")
    assert read_state_dict(tmp_path / "best.pth").keys() == state.keys()


@pytest.mark.parametrize("content", [b"", b"text", b"PK\x03\x04"])
def test_a_damaged_file_is_named(content, tmp_path):
    (tmp_path / "best.pth").write_bytes(content)
    with pytest.raises(WeightsError, match=r"best\.pth is not a file that torch\.save wrote"):
        read_state_dict(tmp_path / "best.pth")
