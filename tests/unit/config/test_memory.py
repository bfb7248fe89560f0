"""Does a server process get its memory into large pages, and do without where there are none?"""

import subprocess
import sys
from pathlib import Path

import pytest

from config import memory

_SWITCH = Path("/sys/kernel/mm/transparent_hugepage/enabled")
_PAGE = 2 * 1024 * 1024


def test_what_a_process_holds_stays_as_it_is():
    """In a process of its own, as this one would keep its large pages."""
    script = (
        "from config import memory\n"
        "held = [str(n) * 40 for n in range(200_000)]\n"
        "before = hash(tuple(held))\n"
        "gathered = memory.gather()\n"
        "assert hash(tuple(held)) == before\n"
        "rollup = open('/proc/self/smaps_rollup').read()\n"
        "large = next(line for line in rollup.splitlines() if line.startswith('AnonHuge'))\n"
        "print(gathered, int(large.split()[1]) * 1024)\n"
    )
    root = Path(__file__).resolve().parents[3]
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=root, capture_output=True, text=True, check=True
    )
    gathered, large = map(int, done.stdout.split())
    assert gathered % _PAGE == 0
    if not _SWITCH.exists() or "[never]" in _SWITCH.read_text() or not gathered:
        pytest.skip("this kernel gives no large pages on demand (needs Linux 6.1)")
    assert large >= gathered


@pytest.mark.parametrize("missing", ["call", "list"])
def test_where_there_are_none_nothing_is_asked_for(monkeypatch, tmp_path, missing):
    if missing == "call":
        monkeypatch.delattr(memory.mmap, "MADV_HUGEPAGE", raising=False)
    else:
        monkeypatch.setattr(memory, "_MAPS", tmp_path / "none")
    assert memory.gather() == 0


def test_only_private_memory_without_a_file_is_meant(monkeypatch, tmp_path):
    maps = tmp_path / "maps"
    maps.write_text(
        "00400000-00c00000 r-xp 00000000 08:01 42 /usr/bin/python3.11\n"
        "00c00000-01000000 rw-p 00000000 08:01 42 /usr/bin/python3.11\n"
        "01100000-01900000 rw-p 00000000 00:00 0          [heap]\n"
        "7f0000000000-7f0000500000 rw-p 00000000 00:00 0 \n"
        "7f0001000000-7f0001400000 rw-s 00000000 00:01 7 /dev/zero (deleted)\n"
        "7f0002000000-7f0002100000 rw-p 00000000 00:00 0 \n"
        "7ffc00000000-7ffc00800000 rw-p 00000000 00:00 0          [stack]\n"
    )
    monkeypatch.setattr(memory, "_MAPS", maps)
    assert list(memory._allocated()) == [
        (0x01200000, 0x01800000),
        (0x7F0000000000, 0x7F0000400000),
    ]
