"""How a confined process ends: by itself, at a limit, with its parent; nothing of it lives on."""

import math
import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from confined_programs import (
    IDLE,
    MEANS,
    MEGABYTE,
    WITHHELD,
    list_living,
    on_linux,
    run_program,
)

from torchbudget.confinement import run_confined, start_confined
from torchbudget.confinement.process import MAX_OUTPUT
from torchbudget.confinement.rules import MAX_PROCESS_ID, MEMORY, PROCESSES, SURVIVORS
from torchbudget.confinement.tree import (
    glance_at_descendants,
    kill_descendants,
    list_descendants,
)
from torchbudget.errors import TorchBudgetError, UsageError

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="programs of Unix are run")


def wait_until_dead(process: int) -> bool:
    """Return whether `process` is dead within 10 s."""
    try:
        descriptor = os.pidfd_open(process)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([descriptor], [], [], 10.0)[0])
    finally:
        os.close(descriptor)


# --- how it ends ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("program", "returncode"),
    [
        ("raise SystemExit(3)", 3),
        ("import os; os._exit(0)", 0),
        ("raise ValueError", 1),
        ("import os; os.abort()", -signal.SIGABRT),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", -signal.SIGKILL),
    ],
)
def test_the_return_code_is_the_programs(tmp_path, program, returncode):
    for without in ((), ("namespaces",)):
        confined = run_program(program, tmp_path, without=without)
        assert confined.returncode == returncode
        assert not (confined.timed_out or confined.memory_exceeded)


@pytest.mark.parametrize(
    "program",
    [
        "import time; time.sleep(60)",
        "import os, signal; os.kill(os.getpid(), signal.SIGSTOP)",
        "import signal, time\n"
        "for number in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP}:\n"
        "    signal.signal(number, signal.SIG_IGN)\n"
        "while True: pass",
    ],
    ids=["sleeps", "stops itself", "ignores all signals"],
)
@pytest.mark.parametrize("without", [(), ("namespaces",), MEANS], ids=str)
def test_it_ends_in_time(tmp_path, program, without):
    confined = run_program(program, tmp_path, seconds=0.4, without=without)
    assert confined.timed_out
    assert confined.returncode == -signal.SIGKILL


DAEMON = """
import os, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.setsid()
        while True: time.sleep(60)
    os._exit(0)
os.wait()
"""


@on_linux
@pytest.mark.parametrize("without", WITHHELD[:-1], ids=lambda names: "-".join(names) or "nothing")
def test_no_daemon_of_its_outlives_it(tmp_path, without):
    confined = run_program(DAEMON, tmp_path, tmp_path, without=without)
    assert confined.returncode == 0
    assert SURVIVORS in confined.forbidden
    assert list_living(tmp_path) == []


@on_linux
@pytest.mark.parametrize("without", [(), ("namespaces",)], ids=["nothing", "namespaces"])
def test_all_die_with_the_parent(tmp_path, without):
    parent = f"""
import os, sys
from pathlib import Path
from torchbudget.confinement import start_confined
from torchbudget.confinement.tree import list_descendants
program = "import os, time; os.fork(); print(flush=True); time.sleep(60)"
start_confined([sys.executable, "-c", program], folder=Path({str(tmp_path)!r}), seconds=60,
               memory=2**30, without={without!r})
while len(list_descendants(os.getpid())) < {3 if without else 4}: pass
print(*list_descendants(os.getpid()), flush=True)
os.kill(os.getpid(), 9)
"""
    root = Path(__file__).resolve().parents[3]
    ended = subprocess.run(
        [sys.executable, "-c", parent], cwd=root, capture_output=True, text=True, timeout=30
    )
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    processes = [int(word) for word in ended.stdout.split()]
    assert len(processes) >= 3
    assert all(wait_until_dead(process) for process in processes)


def test_as_a_context_it_is_always_ended(tmp_path):
    before = set(list_descendants(os.getpid()))
    with (
        pytest.raises(RuntimeError),
        start_confined(IDLE, folder=tmp_path, seconds=60, memory=2**30),
    ):
        raise RuntimeError
    assert set(list_descendants(os.getpid())) <= before


FAMILY = """
import os, subprocess, sys, threading, time
ended = subprocess.Popen([sys.executable, "-c", ""])
os.waitid(os.P_PID, ended.pid, os.WEXITED | os.WNOWAIT)  # it stays, a zombie

def start():
    if not os.fork():
        os.fork()
        os.write(1, b"ready\\n")  # whole, whoever else writes
    time.sleep(60)

threading.Thread(target=start).start()
"""


@on_linux
def test_a_glance_sees_all_descendants_of_a_process_that_rests():
    with subprocess.Popen([sys.executable, "-c", FAMILY], stdout=subprocess.PIPE) as parent:
        try:
            assert [parent.stdout.readline() for _ in range(2)] == [b"ready\n"] * 2
            seen = list_descendants(parent.pid)
            assert len(seen) == 2
            assert glance_at_descendants(parent.pid) == seen
        finally:
            assert kill_descendants(parent.pid)
            parent.kill()


def test_a_command_that_is_not_there_is_named_in_one_line(tmp_path):
    with pytest.raises(TorchBudgetError, match=r"could not be started: .*No such file") as error:
        run_confined(["/no/such/program"], folder=tmp_path, seconds=20, memory=2**30)
    assert "\n" not in str(error.value)


# --- how much it takes ----------------------------------------------------------------------------

CHILDREN_HOLD = "import os, time\nfor _ in range(3): os.fork()\nheld = b'x' * 2**24\ntime.sleep(60)"
SHARED = """
import mmap, time
held = mmap.mmap(-1, 100 * 2**20)
for start in range(0, len(held), 4096): held[start] = 1
time.sleep(60)
"""
FIRST_THREAD_OVER = """
import ctypes, threading, time
def hold():
    held = b'x' * (100 * 2**20)
    time.sleep(60)
threading.Thread(target=hold).start()
ctypes.CDLL(None).pthread_exit(None)
"""
MANY_FILES = """
import time
for number in range(4):
    with open(str(number), "wb") as file: file.write(bytes(2**24))
time.sleep(60)
"""
DELETED_FILES = """
import os, time
files = [open(str(number), "wb") for number in range(4)]
for number, file in enumerate(files):
    file.write(bytes(2**24))
    file.flush()
    os.unlink(str(number))
time.sleep(60)
"""


@on_linux
@pytest.mark.parametrize("without", [(), ("namespaces",)], ids=["nothing", "namespaces"])
@pytest.mark.parametrize(
    "program",
    [CHILDREN_HOLD, SHARED, FIRST_THREAD_OVER, MANY_FILES, DELETED_FILES],
    ids=["children", "shared", "first thread over", "files", "deleted files"],
)
def test_what_all_hold_together_is_limited(tmp_path, program, without):
    confined = run_program(program, tmp_path, megabytes=60, without=without)
    assert confined.memory_exceeded and not confined.timed_out
    assert MEMORY in confined.forbidden
    assert confined.returncode == -signal.SIGKILL


@on_linux
def test_memory_that_children_share_counts_once(tmp_path):
    program = "import os\nheld = b'x' * 2**25\nfor _ in range(3): os.fork()\nimport time\n"
    program += "time.sleep(0.4)"
    confined = run_program(program, tmp_path, megabytes=150)
    assert not confined.memory_exceeded
    assert confined.returncode == 0


def test_a_file_is_limited(tmp_path):
    program = "open('large', 'wb').truncate(2**27)"
    confined = run_program(program, tmp_path, megabytes=64)
    assert confined.returncode != 0 and not confined.memory_exceeded
    assert (tmp_path / "work" / "large").stat().st_size <= 64 * MEGABYTE


FORK_BOMB = """
import os, time
for _ in range(12):
    try: os.fork()
    except OSError: break
time.sleep(60)
"""
MANY_CHILDREN = """
import os, time
for _ in range(200):
    if os.fork() == 0: time.sleep(60)
time.sleep(60)
"""


@on_linux
@pytest.mark.parametrize("without", [(), ("namespaces",)], ids=["nothing", "namespaces"])
@pytest.mark.parametrize("program", [FORK_BOMB, MANY_CHILDREN], ids=["bomb", "children"])
def test_processes_without_end_are_ended(tmp_path, program, without):
    if program == FORK_BOMB and without:
        program = program.replace("12", "8")  # 256 processes; nothing but the watch limits root's
    confined = run_program(program, tmp_path, tmp_path, without=without)
    assert confined.too_many_processes and not confined.timed_out
    assert confined.returncode == -signal.SIGKILL
    assert list_living(tmp_path) == []


@on_linux
def test_processes_without_end_are_forbidden_where_a_limit_stands(tmp_path):
    program = "import os; print(open('/proc/sys/kernel/pid_max').read().strip())"
    confined = run_program(program, tmp_path)
    own_limit = confined.stdout.decode().strip() == str(MAX_PROCESS_ID)
    assert (PROCESSES in confined.forbidden) == (own_limit or os.getuid() != 0)


def test_output_without_end_is_cut(tmp_path):
    program = "import sys\nfor _ in range(100): sys.stdout.write('x' * 2**20)\nsys.exit(5)"
    confined = run_program(program, tmp_path)
    assert confined.stdout == b"x" * MAX_OUTPUT
    assert confined.returncode == 5


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, -1, 0])
@pytest.mark.parametrize("name", ["seconds", "memory"])
def test_a_limit_that_is_none_is_a_usage_error(tmp_path, name, value):
    limits = {"seconds": 1.0, "memory": 2**30} | {name: value}
    with pytest.raises(UsageError, match=f"^{name} must be a positive, finite number"):
        start_confined(IDLE, folder=tmp_path, **limits)
