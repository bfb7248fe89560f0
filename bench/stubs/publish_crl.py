"""Script that publishes an authority's next CRL and prints what the whole process has used.

``python -m bench.stubs.publish_crl NAME FILE`` in the server's environment. The CRL goes to FILE after
the measurement. Prints one line of JSON: ``entries``, ``size`` (octets), ``wall_s`` and ``cpu_s`` of the
publication, ``start_mb`` (memory before it) and ``peak_mb`` (memory at its highest).
"""

import json
import os
import sys
import time
from pathlib import Path


def main() -> None:
    """Publish, measure, and write the CRL."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.production")
    import django

    django.setup()

    from apps.authorities import crl_contents, publication, selectors

    authority = selectors.authority_named(sys.argv[1])
    start = _memory_mb("VmHWM")
    cpu, began = time.process_time(), time.monotonic()
    crl = publication.publish_crl(authority.pk)
    report = {
        "entries": crl.entry_count,
        "size": crl.size,
        "wall_s": time.monotonic() - began,
        "cpu_s": time.process_time() - cpu,
        "start_mb": start,
        "peak_mb": _memory_mb("VmHWM"),
    }
    with Path(sys.argv[2]).open("wb") as file:
        file.writelines(crl_contents.chunks_of(crl))
    sys.stdout.write(json.dumps(report) + "\n")


def _memory_mb(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) // 1024 for line in lines if line.startswith(name))


if __name__ == "__main__":
    main()
