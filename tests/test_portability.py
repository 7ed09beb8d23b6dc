"""Nothing depends on what only some systems have."""

import ast
import os
import subprocess
import sys

from test_repository import MODULES, ROOT

ZOO = """
from torch import nn
from torchbudget import Budget, Entry, data

class Net(nn.Sequential):
    \"\"\"Сеть, \u201cquoted\u201d.\"\"\"

    def __init__(self):
        super().__init__(nn.Flatten(), nn.Linear(16, 2))

DATA = data.custom("mine", None.__class__, data.ImageSpec((1, 4, 4), 2))
ZOO = (Entry(name="plain", network=Net, data=DATA, budget=Budget(max_params=1)),)
"""
LINUX_ONLY = {
    "ctypes": {"CDLL"},
    "fcntl": set(),
    "os": set("fork forkpty getuid geteuid killpg mkfifo setsid sysconf uname waitpid".split()),
    "pwd": set(),
    "resource": set(),
    "signal": set("SIGALRM SIGHUP SIGKILL SIGSTOP alarm pause".split()),
}
"""Modules, and names in modules, that Windows lacks; where no name is told, the module itself."""
GUARDED = {
    "bench.point": "measures on Linux only",
    "torchbudget.building.builder": "run_apart asks for os.fork first",
    "torchbudget.building.connection": "CAN_FORK, before a Server is made",
    "torchbudget.building.server": "started where CAN_FORK only",
    "torchbudget.confinement.kernel": "imported on Linux only",
    "torchbudget.confinement.launcher": "started where HAS_LAUNCHER only",
    "torchbudget.confinement.process": "HAS_LAUNCHER",
    "torchbudget.confinement.seccomp": "imported on Linux only",
    "torchbudget.confinement.tree": "no process is listed without /proc",
    "torchbudget.data.memory": "AttributeError is an answer",
    "torchbudget.evidence.files": "fcntl is None where it cannot be imported",
    "torchbudget.evidence.machine": "AttributeError is an answer",
    "torchbudget.heap": "asks for Linux first",
    "utils.memory": "TypeError is an answer",
}
"""What may name them, and why it loses nothing where they are not."""


def test_only_what_is_guarded_names_what_windows_lacks():
    naming = set()
    for module, path in MODULES.items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found = any(LINUX_ONLY.get(alias.name, {"some"}) == set() for alias in node.names)
            elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                found = node.attr in LINUX_ONLY.get(node.value.id, ())
            else:
                found = False
            if found:
                naming.add(module)
    assert naming == set(GUARDED)


def test_a_zoo_file_in_any_language_is_judged_where_the_system_writes_ascii(tmp_path):
    (tmp_path / "zoo.py").write_text(ZOO, encoding="utf-8")
    ascii_only = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = subprocess.run(
        [sys.executable, ROOT / "check.py", "--zoo", "zoo.py", "--only", "params"],
        cwd=tmp_path,
        env=os.environ | ascii_only,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1, done.stderr
    assert "FAIL  plain: params  zoo.py:12" in done.stdout


def test_no_text_depends_on_the_encoding_of_the_system():
    """`make lint` finds what it can tell is a path, this all that looks like one."""
    lacking = []
    for module, path in MODULES.items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and not is_told_its_encoding(node):
                lacking.append(f"{module}:{node.lineno}: {ast.unparse(node)[:80]}")
    assert lacking == []


def is_told_its_encoding(call: ast.Call) -> bool:
    """Whether a call names an encoding, or needs none as far as its words tell."""
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    keywords = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
    if name in ("run", "Popen", "check_output"):
        return "text" not in keywords and "universal_newlines" not in keywords
    owner = ast.unparse(call.func.value) if isinstance(call.func, ast.Attribute) else ""
    if owner in ("os", "Image", "tarfile", "zipfile", "gzip"):
        return True
    binary = any("b" in ast.unparse(word) for word in call.args[-1:]) or "b" in keywords.get(
        "mode", ""
    )
    return "encoding" in keywords or not (
        name in ("read_text", "write_text") or (name in ("open", "fdopen") and not binary)
    )
