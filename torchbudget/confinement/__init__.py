"""Run a program that nobody vouches for, so that it can harm nothing but one folder.

    with start_confined(command, folder=folder, seconds=60, memory=2 * 2**30) as confinement:
        import torch  # meanwhile
        confined = confinement.wait()

What is forbidden, and by what. Each means is tried; `Confined.forbidden` and `Confined.allowed`
say what came of it. No means needs to be root.

| rule | enforced by |
|---|---|
| network | network namespace; filter of system calls (no `socket`, no io_uring) |
| sockets of other programs | filter |
| writes elsewhere | Landlock, with read-only mounts (mount namespace) or the filter |
| signals to other processes | PID namespace; Landlock from version 6; filter (only to itself) |
| memory and environment of other processes | user namespace; own /proc; Landlock |
| too many processes | the watch, above `MAX_PROCESSES` |
| new privileges | no_new_privs, no capabilities, filter (no namespaces of its own) |
| processes that outlive it | PID namespace; else orphans are adopted and killed |
| processes without end | pid_max of the namespace (Linux 6.14); RLIMIT_NPROC (not for root) |
| memory above the limit | the watch, ten times a second, of all processes; RLIMIT_AS for each |
| memory that belongs to no process | filter (no memfd, no System V memory); /dev/shm is read-only |
| files above the memory limit | the watch, twice a second; RLIMIT_FSIZE for each file |
| time | the watch |
| output without end | read and dropped above a megabyte |
| outliving its parent | a pipe that ends with the parent; PR_SET_PDEATHSIG below the launcher |
| environment | an allowlist, see `PASSED_ON`; stdin is empty; no other file is inherited |

What it may do: read every file that its user may read, so a secret in a file can reach its output;
compute for its whole time; and pass the memory limit for a tenth of a second. On macOS only the
time, the output, the environment and each process's resources are limited; on Windows only the
first three. Linux for other processors than x86_64 and aarch64 has no filter.
"""

from torchbudget.confinement.process import (
    Confined,
    Confinement,
    run_confined,
    start_confined,
)
from torchbudget.confinement.rules import RULES

__all__ = ["RULES", "Confined", "Confinement", "run_confined", "start_confined"]
