"""Requests shared out among clients, each in a thread of its own, and the times that reports need."""

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

_Client = TypeVar("_Client")


def share_out(
    count: int, clients: Sequence[_Client], ask: Callable[[_Client, int], None]
) -> dict[str, Any]:
    """Call ``ask`` once for each number below ``count``; the first failure ends the run.

    Returns:
        ``wall_s``, ``driver_cpu_s``, ``latencies_s`` (one for each call) and ``failures`` (texts).
    """
    latencies: list[float] = []
    failures: list[str] = []
    todo = iter(range(count))
    lock = threading.Lock()

    def work(client: _Client) -> None:
        while not failures:
            with lock:
                index = next(todo, None)
            if index is None:
                return
            began = time.perf_counter()
            try:
                ask(client, index)
            except Exception as error:  # noqa: BLE001 - reported to the runner, which ends the run
                failures.append(f"{type(error).__name__}: {error}")
                return
            latencies.append(time.perf_counter() - began)

    threads = [threading.Thread(target=work, args=(client,)) for client in clients]
    cpu, began = time.process_time(), time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return {
        "wall_s": time.perf_counter() - began,
        "driver_cpu_s": time.process_time() - cpu,
        "latencies_s": latencies,
        "failures": failures,
    }
