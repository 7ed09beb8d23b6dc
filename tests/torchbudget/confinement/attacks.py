"""What a hostile program would try; run confined, it prints which of it succeeded, by rule.

Usage: python attacks.py OUTSIDE PROCESS TCP_PORT UDP_PORT. `OUTSIDE` is a folder that it must not
write, with a socket `listener` and a pipe `pipe`; `PROCESS` is one that it must not touch, with
SECRET in its environment. The words are those of `torchbudget.confinement.rules`.
"""

import ctypes
import os
import socket
import subprocess
import sys
from pathlib import Path

OUTSIDE = Path(sys.argv[1])
PROCESS = int(sys.argv[2])
TCP_PORT = int(sys.argv[3])
UDP_PORT = int(sys.argv[4])


def append_to_a_file():
    with open(OUTSIDE / "package" / "module.py", "a", encoding="utf-8") as file:
        file.write("forged")


def append_through_a_symbolic_link():
    os.symlink(OUTSIDE / "package" / "module.py", "link")
    with open("link", "a", encoding="utf-8") as file:
        file.write("forged")


def append_through_a_hard_link():
    os.link(OUTSIDE / "package" / "module.py", "hard")
    with open("hard", "a", encoding="utf-8") as file:
        file.write("forged")


def create_a_file():
    (OUTSIDE / "package" / "new.py").write_text("forged")


def make_a_folder():
    (OUTSIDE / "folder").mkdir()


def move_a_file_in():
    os.rename(OUTSIDE / "moved", "moved")


def move_a_file_out():
    Path("forged").write_text("forged", encoding="utf-8")
    os.rename("forged", OUTSIDE / "forged")


def delete_a_file():
    os.unlink(OUTSIDE / "deleted")


def truncate_a_file():
    os.truncate(OUTSIDE / "package" / "module.py", 0)


def change_a_mode():
    os.chmod(OUTSIDE / "package" / "module.py", 0o777)


def change_a_time():
    os.utime(OUTSIDE / "package" / "module.py", (1, 1))


def write_into_a_pipe():
    os.write(os.open(OUTSIDE / "pipe", os.O_WRONLY | os.O_NONBLOCK), b"forged")


def write_shared_memory():
    Path("/dev/shm", OUTSIDE.name).write_text("forged", encoding="utf-8")
    os.unlink(Path("/dev/shm", OUTSIDE.name))


def connect_by_tcp():
    socket.create_connection(("127.0.0.1", TCP_PORT), timeout=1).close()


def send_by_udp():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"forged", ("127.0.0.1", UDP_PORT))


def connect_to_a_local_socket():
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(OUTSIDE / "listener"))


def signal_a_process():
    os.kill(PROCESS, 0)


def signal_from_a_child():
    program = f"import os; os.kill({PROCESS}, 0)"
    subprocess.run([sys.executable, "-I", "-S", "-c", program], check=True, capture_output=True)


def read_an_environment():
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if b"SECRET=" in (process / "environ").read_bytes():
                return
        except OSError:
            pass
    raise OSError("no secret found")


def trace_a_process():
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.ptrace(16, PROCESS, None, None) != 0:  # PTRACE_ATTACH
        raise OSError("not attached")
    os.waitpid(PROCESS, 0x40000000)  # __WALL
    libc.ptrace(17, PROCESS, None, None)  # PTRACE_DETACH


def keep_a_capability():
    if "CapEff:\t0000000000000000" in Path("/proc/self/status").read_text(encoding="utf-8"):
        raise OSError("none")


def hold_memory_in_no_process():
    os.memfd_create("hidden")


def start_a_child_in_a_user_namespace():
    number = {"x86_64": 56, "aarch64": 220}[os.uname().machine]
    flags = ctypes.c_ulong(0x10000000 | 17)  # CLONE_NEWUSER, SIGCHLD
    child = ctypes.CDLL(None, use_errno=True).syscall(ctypes.c_long(number), flags, 0, 0, 0, 0)
    if child == 0:
        os._exit(0)
    if child < 0:
        raise OSError("no child")
    os.waitpid(child, 0)


ATTACKS = {
    "writes elsewhere": (
        append_to_a_file,
        append_through_a_symbolic_link,
        append_through_a_hard_link,
        create_a_file,
        make_a_folder,
        move_a_file_in,
        move_a_file_out,
        delete_a_file,
        truncate_a_file,
        change_a_mode,
        change_a_time,
        write_into_a_pipe,
        write_shared_memory,
    ),
    "network": (connect_by_tcp, send_by_udp),
    "sockets of other programs": (connect_to_a_local_socket,),
    "signals to other processes": (signal_a_process, signal_from_a_child),
    "memory and environment of other processes": (read_an_environment, trace_a_process),
    "new privileges": (keep_a_capability,),
    "memory above the limit": (
        hold_memory_in_no_process,
        start_a_child_in_a_user_namespace,  # it could mount a file system in memory
    ),
}

for rule, attacks in ATTACKS.items():
    for attack in attacks:
        try:
            attack()
        except (OSError, subprocess.CalledProcessError):
            continue
        print(f"{rule}: {attack.__name__}")
