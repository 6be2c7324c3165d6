"""One side of a race in a process of its own: ``python -m evidence.worker MODULE NUMBER SIDE``, obeying lines on stdin.

It imports the race's module and no other, so that it runs in an environment that has only the peer.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import importlib.metadata
import json
import os
import resource
import sys
import time
from pathlib import Path
from typing import Any, TextIO

from .rows import races_of

SAMPLE = 0.05  # seconds that one sample lasts at least
LONG = 60  # seconds of a first call from which on imports and compilation no longer matter


def resident(field: str) -> float:
    """VmRSS or VmHWM of this process in MiB (outside Linux, the high-water mark of getrusage)."""
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith(field))
        return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024**2 if sys.platform == "darwin" else 1024)


def forget_peak() -> None:
    """Set the high-water mark back to what is resident now (Linux: 5 to clear_refs)."""
    clear = Path("/proc/self/clear_refs")
    if clear.exists():
        clear.write_text("5")


def release() -> None:
    """Give freed memory back to the system (glibc keeps up to 64 MiB), so that what the next call takes is seen."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def timed(call, times: int) -> dict[str, float]:
    """Wall and processor seconds of one call (all threads), from ``times`` calls in a row."""
    gc.collect()
    gc.disable()
    cpu, wall = time.process_time(), time.perf_counter()
    for _ in range(times):
        call()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    gc.enable()
    return {"seconds": wall / times, "cpu": cpu / times}


class Side:
    """One callable of a race and how often it is repeated within a sample."""

    def __init__(self, call, quality) -> None:
        self.call, self.quality, self.times = call, quality, 1

    def warm(self) -> dict[str, Any]:
        """First call (imports, compilation), then the quality of its answer, then how many calls make a sample.

        A long first call is not repeated before the samples: it makes one by itself, and its peak is the call's.
        """
        before = resident("VmRSS")
        forget_peak()
        begun = time.perf_counter()
        answer = self.call()
        first, peak = time.perf_counter() - begun, resident("VmHWM")
        quality = None if self.quality is None else float(self.quality(answer))
        del answer
        release()
        held = resident("VmRSS")
        if first < LONG:
            forget_peak()
            once = timed(self.call, 1)["seconds"]
            self.times = max(1, min(10_000, round(SAMPLE / max(once, 1e-9))))
            peak = resident("VmHWM")
        # What the second call adds to what was held after the first is the call's own; the first also loads libraries.
        return {
            "first_seconds": first,
            "quality": quality,
            "peak_mib": max(0.0, peak - held),
            "loaded_mib": held - before,
            "calls_per_sample": self.times,
        }

    def sample(self) -> dict[str, Any]:
        return timed(self.call, self.times)


def pools() -> list[int]:
    """Threads of every BLAS and OpenMP pool in this process, where threadpoolctl can tell."""
    try:
        from threadpoolctl import threadpool_info
    except ImportError:
        return []
    return sorted({pool["num_threads"] for pool in threadpool_info()})


def version(distribution: str | None) -> str | None:
    """The peer's version, as its distribution states it; ours without one."""
    if distribution is None:
        return importlib.import_module("peira").__version__
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def main(module: str, number: int, name: str) -> None:
    own = os.dup(1)  # the protocol's own channel; what a side prints goes to stderr
    os.dup2(2, 1)
    with open(own, "w", buffering=1) as answers:
        serve(module, number, name, answers)


def serve(module: str, number: int, name: str, answers: TextIO) -> None:
    """Answer the commands on stdin: prepare, ``warm ours``, ``sample ours``, and so on for peer and limit."""
    importlib.import_module(module)
    race = races_of(module)[number]
    sides: dict[str, Side] = {}
    for line in sys.stdin:
        command = line.strip()
        try:
            if command == "prepare":
                made = race.prepare()
                sides[name] = Side(getattr(made, name), made.quality)
                if made.limit is not None and name == "ours":
                    sides["limit"] = Side(made.limit, None)
                reply = {"limit": "limit" in sides, "version": version(race.peer if name == "peer" else None)}
            else:
                verb, which = command.split()
                reply = getattr(sides[which], verb)() | {"pools": pools()}
        except ModuleNotFoundError as error:
            reply = {"absent": error.name}
        except Exception as error:
            reply = {"failed": f"{type(error).__name__}: {error}"}
        print(json.dumps(reply), file=answers)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
