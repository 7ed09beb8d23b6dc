"""What a confined process may not do, tried with all means of this system and with fewer.

An attack that the system cannot forbid must be among what `allowed` says.
"""

import os
import socket
import subprocess
import sys
from itertools import combinations
from pathlib import Path

import pytest
from confined_programs import IDLE, MEANS, WITHHELD, on_linux, run_program

from torchbudget.confinement import RULES, Confined, rules, run_confined
from torchbudget.confinement.rules import list_forbidden

ATTACKS = Path(__file__).with_name("attacks.py")

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="programs of Unix are run")


# --- what is forbidden ----------------------------------------------------------------------------


@pytest.fixture
def outside(tmp_path):
    """A folder that must not be written, as the attacks expect it."""
    folder = tmp_path / "outside"
    (folder / "package").mkdir(parents=True)
    for name in ("package/module.py", "moved", "deleted"):
        (folder / name).write_text("as it was")
    os.mkfifo(folder / "pipe")
    return folder


def attack(outside: Path, folder: Path, without: tuple[str, ...]) -> tuple[set[str], Confined]:
    """Run all attacks; return the rules that were broken, and how the process ended."""
    victim = subprocess.Popen(IDLE, env={"SECRET": "token"})
    reader = os.open(outside / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    try:
        with (
            socket.create_server(("127.0.0.1", 0)) as tcp,
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp,
            socket.socket(socket.AF_UNIX) as local,
        ):
            udp.bind(("127.0.0.1", 0))
            local.bind(os.path.relpath(outside / "listener"))
            local.listen()
            ports = [str(open_socket.getsockname()[1]) for open_socket in (tcp, udp)]
            command = [sys.executable, str(ATTACKS), str(outside), str(victim.pid), *ports]
            confined = run_confined(
                command, folder=folder, seconds=20, memory=2**30, without=without
            )
    finally:
        os.close(reader)
        victim.kill()
        victim.wait()
    assert confined.returncode == 0, confined.stderr.decode()
    lines = confined.stdout.decode().splitlines()
    return {line.partition(":")[0] for line in lines}, confined


@pytest.mark.parametrize("without", WITHHELD, ids=lambda names: "-".join(names) or "nothing")
def test_every_attack_that_succeeds_is_said_to_be_allowed(outside, tmp_path, without):
    broken, confined = attack(outside, tmp_path / "own", without)
    assert broken <= set(confined.allowed)
    assert confined.forbidden + confined.allowed == tuple(
        sorted(RULES, key=lambda rule: (rule in confined.allowed, RULES.index(rule)))
    )


@on_linux
def test_every_attack_is_real_where_all_means_are_withheld(outside, tmp_path):
    broken, confined = attack(outside, tmp_path / "own", MEANS)
    # The other two have tests of their own; root's processes have privileges that forbid tracing.
    not_tried = {rules.PRIVILEGES, rules.SURVIVORS, rules.PROCESSES}
    assert broken | {rules.TRACING} == set(RULES) - not_tried
    assert rules.TRACING in broken or os.geteuid() == 0
    assert broken <= set(confined.allowed)


def test_more_means_never_forbid_less():
    means = {
        rules.CALL_FILTER,
        rules.LANDLOCK,
        rules.LANDLOCK_SCOPES,
        rules.MOUNT_NAMESPACE,
        rules.NETWORK_NAMESPACE,
        rules.NO_NEW_PRIVILEGES,
        rules.OWN_PROC,
        rules.PID_NAMESPACE,
        rules.PROCESS_LIMIT,
        rules.READ_ONLY_MOUNTS,
        rules.SUPERVISION,
        rules.USER_NAMESPACE,
    }
    assert list_forbidden(set()) == []
    assert list_forbidden(means) == list(RULES)
    for number in range(len(means)):
        for some in combinations(sorted(means), number):
            fewer = set(list_forbidden(set(some)))
            for more in means:
                assert fewer <= set(list_forbidden({*some, more}))


# --- what it receives -----------------------------------------------------------------------------


def test_no_variable_reaches_it_but_those_of_the_list(tmp_path, monkeypatch):
    for name in ("GITHUB_TOKEN", "GITHUB_ENV", "AWS_SECRET_ACCESS_KEY", "LD_PRELOAD", "MY_SECRET"):
        monkeypatch.setenv(name, "secret")
    monkeypatch.setenv("LC_TIME", "C")
    program = "import os; print(*sorted(os.environ), os.getcwd(), sep='\\n')"
    lines = run_program(program, tmp_path).stdout.decode().splitlines()
    assert {"HOME", "TMPDIR", "LC_TIME", "PATH"} <= set(lines)
    assert not [line for line in lines if "SECRET" in line or "GITHUB" in line or "LD_P" in line]
    assert lines[-1] == str(tmp_path.resolve() / "work")


def test_the_callers_variables_reach_it(tmp_path):
    program = "import os; print(os.environ['MNIST_ROOT'])"
    command = [sys.executable, "-c", program]
    environment = {"MNIST_ROOT": "/data"}
    confined = run_confined(
        command, folder=tmp_path, seconds=20, memory=2**30, environment=environment
    )
    assert confined.stdout == b"/data\n"


def test_no_open_file_reaches_it_but_empty_input_and_the_outputs(tmp_path):
    read, write = os.pipe()
    os.set_inheritable(write, True)
    program = "import os, sys; print(len(os.listdir('/dev/fd')), repr(sys.stdin.read()))"
    try:
        assert run_program(program, tmp_path).stdout == b"4 ''\n"  # 0, 1, 2 and the listing's own
    finally:
        os.close(read)
        os.close(write)


def test_a_readable_working_folder_is_not_written(tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    (source / "zoo.py").write_text("ZOO = ()\n")
    program = "print(open('zoo.py').read()); open('zoo.py', 'a').write('forged')"
    confined = run_confined(
        [sys.executable, "-c", program],
        folder=tmp_path / "own",
        readable_cwd=source,
        seconds=20,
        memory=2**30,
    )
    assert confined.stdout == b"ZOO = ()\n\n"
    forged = (source / "zoo.py").read_text() != "ZOO = ()\n"
    assert not forged or rules.WRITES in confined.allowed
