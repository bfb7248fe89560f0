"""CPU time of process trees, read from /proc.

User and system time of whole trees: the workers of a web server, the backends of PostgreSQL
(its postmaster is their parent), and children that have ended and were waited for. The kernel
counts in ticks of 10 ms, so a sample should burn a second or more.
"""

import os
from collections.abc import Iterable
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
# Fields of /proc/<pid>/stat after the command's closing parenthesis (see proc(5)).
_PARENT, _UTIME, _STIME, _CUTIME, _CSTIME = 1, 11, 12, 13, 14


def _stat(pid: int) -> list[str] | None:
    """Return the fields after the command; a name may hold spaces and parentheses."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return text[text.rindex(")") + 2 :].split()


def parent_of(pid: int) -> int:
    """Return the parent of a living process."""
    fields = _stat(pid)
    if fields is None:
        raise ProcessLookupError(pid)
    return int(fields[_PARENT])


def tree_cpu_s(roots: Iterable[int]) -> float:
    """Return the CPU seconds used so far by the processes ``roots`` and all below them."""
    stats = {}
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (fields := _stat(int(entry.name))) is not None:
            stats[int(entry.name)] = fields
            children.setdefault(int(fields[_PARENT]), []).append(int(entry.name))
    ticks = 0
    waiting, seen = list(roots), set()
    while waiting:
        pid = waiting.pop()
        if pid in seen or pid not in stats:
            continue
        seen.add(pid)
        ticks += sum(int(stats[pid][field]) for field in (_UTIME, _STIME, _CUTIME, _CSTIME))
        waiting += children.get(pid, [])
    return ticks / _TICKS
