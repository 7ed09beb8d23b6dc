"""The packages of the design, the direction of imports, the pins; make and CI name what exists."""

import ast
import functools
import graphlib
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import yaml

import environment

ROOT = Path(__file__).resolve().parent.parent
MAY_IMPORT = {
    "zoo": {"model", "utils", "torchbudget"},
    "model": set(),
    "train": {"zoo", "utils", "environment", "torchbudget"},
    "predict": {"zoo", "utils", "torchbudget"},
    "worker": {"train", "utils", "torchbudget"},
    "search": {"train", "zoo", "utils", "environment", "torchbudget"},
    "check": {"torchbudget"},
    "pytest_zoo": {"torchbudget"},
    "torchbudget": {"torchbudget"},
    "utils": {"utils", "torchbudget"},
    "environment": {"torchbudget.evidence.machine", "torchbudget.command"},
    "hubconf": {"zoo", "utils", "torchbudget"},
    "bench": {"bench", "train", "zoo", "model", "utils", "environment", "torchbudget"},
}
"""Room: what of ours it may import, by the table of the design."""
IMPORTED_AS = {"PIL": "pillow", "sklearn": "scikit-learn"}
OPTIONAL = {"ray"}
"""What is imported only where an option asks for it; an extra of the package names it."""
FOR_DEVELOPERS = (
    "bench",
    "torchbudget.plugin",
    "utils.export",
    "utils.onnx_file",
    "utils.onnx_reader",
    "utils.pages",
)
MAX_LINES = {"model.py": 450, "zoo.py": 600}
"""Of the two files that grow with each entry."""
PROMISED = """setup env-update train train-all search test test-model test-training lint check
check-model check-params verify view-results show-augment predict badge bench selftest clean
clean-checkpoints help""".split()
BUILT = "build"
"""What `make dist` leaves: a copy of the package."""
SOURCES = sorted(
    path
    for place in ROOT.iterdir()
    if not place.name.startswith(".") and place.name != BUILT
    for path in ([place] if place.is_file() else place.rglob("*"))
    if path.suffix == ".py"
)
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in SOURCES
    if ROOT / "tests" not in path.parents
}
MAKEFILE, WORKFLOW, CI_RUN = (
    ROOT / "Makefile",
    ROOT / ".github/workflows/model_checks.yml",
    ROOT / ".ci/run",
)
TARGETS = set(re.findall(r"^([a-z-]+):", MAKEFILE.read_text(), re.MULTILINE))
JOBS = yaml.safe_load(WORKFLOW.read_text())["jobs"]
STEPS = [step for job in JOBS.values() for step in job["steps"]]


@functools.cache
def imported(module: str) -> set[str]:
    """Dotted names of all that `module` imports, at its top or in a function."""
    names = set()
    for node in ast.walk(ast.parse(MODULES[module].read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found = {f"{node.module}.{alias.name}" for alias in node.names} & set(MODULES)
            names |= found or {node.module or "."}
    return names


def ours(names: set[str]) -> set[str]:
    return {name for name in names if name.split(".")[0] in {*MAY_IMPORT, "tests", ""}}


def reached(module: str) -> set[str]:
    """Rooms whose code runs when `module` is imported."""
    seen, todo = set(), [module]
    while todo:
        if (name := todo.pop()) in MODULES and name not in seen:
            seen.add(name)
            todo += [name.split(".")[0], *ours(imported(name))]
    return {name.split(".")[0] for name in seen}


def pins(name: str) -> dict[str, str]:
    lines = [line for line in (ROOT / name).read_text().splitlines() if not line.startswith("-r ")]
    matches = [re.fullmatch(r"([\w-]+)==(\d+(?:\.\d+)+)", line) for line in lines]
    loose = [line for line, match in zip(lines, matches, strict=True) if not match]
    assert not loose, f"{name}: not an exact pin: {loose}"
    assert len({match[1].lower() for match in matches}) == len(lines)
    return {match[1]: match[2] for match in matches}


# --- rooms and imports ----------------------------------------------------------------------------


def test_every_module_is_in_a_room_of_the_design():
    assert {module.split(".")[0] for module in MODULES} == set(MAY_IMPORT)


def test_imports_point_down_the_table():
    """`make lint` holds the rooms of the packages to it, this the scripts beside them."""
    wrong = []
    for module in sorted(MODULES):
        allowed = MAY_IMPORT[module.split(".")[0]]
        for name in ours(imported(module)):
            if name not in allowed and name.split(".")[0] not in allowed:
                wrong.append((module, name))
    assert len(MODULES) > 80
    assert wrong == []


def test_the_judge_knows_no_digits_but_in_its_data():
    """Nothing outside `torchbudget/data` says MNIST, its size, or a target of this Makefile."""
    targets = "|".join(sorted(TARGETS))
    words = re.compile(rf"(?i)mnist|\b28\b|\bmake ({targets})\b|\bmodel\.py\b")
    said = []
    searched = 0
    for path in sorted((ROOT / "torchbudget").rglob("*.py")):
        if ROOT / "torchbudget" / "data" in path.parents:
            continue
        searched += 1
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if words.search(line):
                said.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()}")
    assert searched > 40
    assert said == []


def test_train_and_gates_never_import_each_other():
    assert reached("train") & {"check"} == set()
    assert set.union(
        *(reached(module) for module in MODULES if module.startswith("torchbudget"))
    ) == {"torchbudget"}


def test_no_module_imports_itself_through_others():
    graphlib.TopologicalSorter(
        {module: imported(module) & set(MODULES) for module in MODULES}
    ).prepare()


def test_networks_need_nothing_but_torch():
    assert {name.split(".")[0] for name in imported("model")} == {"torch"}


def test_the_zoo_is_literals_without_logic():
    logic = (
        ast.stmt,
        ast.Lambda,
        ast.IfExp,
        ast.BinOp,
        ast.BoolOp,
        ast.Compare,
        ast.comprehension,
        ast.JoinedStr,
    )
    plain = (ast.ImportFrom, ast.Assign, ast.Expr)
    assert [
        node
        for node in ast.walk(ast.parse((ROOT / "zoo.py").read_text()))
        if isinstance(node, logic) and not isinstance(node, plain)
    ] == []


def test_every_file_can_be_read_in_one_sitting():
    too_long = []
    for path in [*SOURCES, MAKEFILE, WORKFLOW, CI_RUN]:
        length = len(path.read_text().splitlines())
        if length > MAX_LINES.get(path.name, 350):
            too_long.append((str(path.relative_to(ROOT)), length))
    assert len(SOURCES) > 150
    assert too_long == []


# --- requirements ---------------------------------------------------------------------------------


def is_for_developers(module: str) -> bool:
    return any(f"{module}.".startswith(f"{room}.") for room in FOR_DEVELOPERS)


def packages_of(modules: set[str]) -> set[str]:
    imports = {name.split(".")[0] for module in modules for name in imported(module)}
    return {
        IMPORTED_AS.get(name, name)
        for name in imports - OPTIONAL - set(MAY_IMPORT) - sys.stdlib_module_names
    }


def test_requirements_pin_what_is_imported_and_nothing_else():
    needed = packages_of({module for module in MODULES if not is_for_developers(module)})
    assert set(pins("requirements.txt")) == needed | {
        "numpy"
    }  # by which torch hands pixels and predictions over


def test_what_is_optional_is_an_extra_with_a_range():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for name in OPTIONAL:
        (requirement,) = project["optional-dependencies"][name]
        assert re.fullmatch(rf"{name}>=[\d.]+,<[\d.]+", requirement)


def test_what_only_developers_import_is_pinned_for_them():
    extra = packages_of({module for module in MODULES if is_for_developers(module)}) - set(
        pins("requirements.txt")
    )
    assert {"onnxruntime", "jinja2"} <= extra <= set(pins("requirements-dev.txt"))


def test_development_requirements_add_to_those_of_a_run():
    assert (ROOT / "requirements-dev.txt").read_text().startswith("-r requirements.txt\n")
    assert set(pins("requirements-dev.txt")) & set(pins("requirements.txt")) == set()


def test_the_lock_file_holds_the_pins_and_names_no_host():
    lock = (ROOT / "requirements.lock").read_text()
    locked = dict(re.findall(r"^([\w.-]+)==(\S+)", lock, re.MULTILINE))
    wanted = pins("requirements.txt") | pins("requirements-dev.txt")
    normal = {re.sub("[-_.]+", "-", name).lower(): version for name, version in wanted.items()}
    stale = {name for name, version in normal.items() if locked.get(name) != version}
    assert not stale, f"make lock: {stale}"
    assert "://" not in lock


def test_the_oldest_python_is_the_same_everywhere():
    stated = [
        re.findall(r"version_info < \(3, (\d+)\)", path.read_text()) for path in (MAKEFILE, CI_RUN)
    ]
    ruff = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["ruff"]["target-version"]
    tested = JOBS["test"]["strategy"]["matrix"]["python"]
    assert {
        *map(tuple, stated),
        (ruff.removeprefix("py3"),),
        (min(tested).removeprefix("3."),),
    } == {(str(environment.MIN_PYTHON[1]),)}
    assert len(tested) == 4
    classifiers = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["classifiers"]
    claimed = [text.split(" :: ")[2] for text in classifiers if " :: Python :: 3." in text]
    assert claimed == tested


# --- make, CI and the workflow name what exists ---------------------------------------------------


def test_help_is_the_default_and_lists_every_target():
    plain = {
        name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))
    }
    listed = subprocess.run(
        ["make"], cwd=ROOT, env=plain, capture_output=True, text=True, check=True
    ).stdout
    rows = dict(re.findall(r"(?m)^  (\S+) +(\S.*)$", listed))
    assert set(rows) == TARGETS >= set(PROMISED)


def test_no_file_can_stand_in_for_a_target():
    phony = re.search(r"^\.PHONY:((?:.*\\\n)*.*)", MAKEFILE.read_text(), re.MULTILINE)[1]
    assert set(phony.replace("\\", "").split()) == TARGETS


def test_recipes_run_only_programs_that_exist():
    recipes = re.findall(r"^\t.*", MAKEFILE.read_text(), re.MULTILINE)
    named = set(re.findall(r"[\w/.]+\.py\b", MAKEFILE.read_text()))
    for name in re.findall(r"-m utils\.(\w+)", "\n".join(recipes)):
        package = (ROOT / "utils" / name).is_dir()
        named.add(f"utils/{name}/__main__.py" if package else f"utils/{name}.py")
    assert {"train.py", "check.py", "environment.py"} <= named
    assert [name for name in named if not (ROOT / name).is_file()] == []


def test_every_step_that_runs_is_one_target_that_exists():
    steps = [
        re.fullmatch(r'make ([a-z-]+)(?: [A-Z]+=(?:"[^"]*"|[\w.-]+))*', step["run"])
        for step in STEPS
        if "run" in step
    ]
    assert all(steps)
    assert {"lint", "test", "check", "train"} <= {step[1] for step in steps} <= TARGETS


def test_ci_names_only_targets_that_exist():
    in_ci = re.findall(r"^ *step ([a-z-]+)", CI_RUN.read_text(), re.MULTILINE)
    assert {"lint", "test", "check"} <= set(in_ci) <= TARGETS
