"""Run a race: both sides in fresh processes with the same threads, called in turn, medians and spreads compared."""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

from .loading import DataAbsent, data_path
from .rows import Race, races_of

ROOT = Path(__file__).parent.parent
KEPT = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(1 << 40)}  # glibc: no page goes back to the system
THREADS = ("OMP", "OPENBLAS", "MKL", "NUMBA", "BLIS", "VECLIB_MAXIMUM", "NUMEXPR", "RAYON", "POLARS_MAX")


class Absent(Exception):
    """A peer (or its environment) is not installed."""


class Failed(Exception):
    """A side raised an error; the message says which and what."""


class Process:
    """A side's process, obeying one command at a time.

    What a call frees stays with the process, for the next call. That matters in a virtual machine, whose host may take
    freed pages back within seconds, and asks 2 ms for each MiB that it hands out again.
    """

    def __init__(self, race: Race, name: str, threads: int) -> None:
        self.name = name
        environment = os.environ | {f"{prefix}_NUM_THREADS": str(threads) for prefix in THREADS}
        environment |= {"POLARS_MAX_THREADS": str(threads), "PYTHONHASHSEED": "0"} | KEPT
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT / "src"), os.environ.get("PYTHONPATH")]))
        module = race.prepare.__module__
        number = str(races_of(module).index(race))
        self._process = subprocess.Popen(
            [interpreter(race, name), "-m", "evidence.worker", module, number, name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env=environment,
        )

    def ask(self, command: str) -> dict[str, Any]:
        try:
            self._process.stdin.write(command + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            raise Failed(f"{self.name}: the process ended (exit {self._process.wait()}) while asked to {command}")
        reply = json.loads(line)
        if "absent" in reply:
            if self.name == "peer":
                raise Absent(reply["absent"])
            raise Failed(f"ours: module {reply['absent']} is not installed")
        if "failed" in reply:
            raise Failed(f"{self.name}: {reply['failed']}")
        return reply

    def close(self) -> None:
        self._process.stdin.close()
        self._process.stdout.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def interpreter(race: Race, name: str) -> str:
    """This interpreter, or for a peer with an environment of its own, that one's."""
    if name == "ours" or race.environment is None:
        return sys.executable
    variable = f"PEIRA_RACE_{race.environment.upper()}"
    path = os.environ.get(variable) or str(ROOT / f".venv-{race.environment}" / "bin" / "python")
    if not Path(path).exists():
        raise Absent(f"the environment of {race.peer} ({variable}, or .venv-{race.environment})")
    return path


def run_race(race: Race, threads: int, rounds: int) -> dict[str, Any]:
    """One case's entry. ``ratio`` is the peer's median seconds over ours: above 1, Peira is faster."""
    entry: dict[str, Any] = {"id": race.id, "case": race.case}
    about = {"rule": race.rule, "threads": threads, "rounds": rounds, "machine": machine()}
    processes: dict[str, Process] = {}
    try:
        for name in race.data:
            data_path(name)
        for name in ("ours", "peer"):
            processes[name] = Process(race, name, threads)
        return entry | _run(race, processes, rounds) | about
    except DataAbsent as absent:
        return entry | {"peer": {"name": race.peer}, "ratio": None, "missing": str(absent)} | about
    except Absent as absent:
        missing = f"{absent} is not installed; {race.install}"
        return entry | {"peer": {"name": race.peer}, "ratio": None, "missing": missing} | about
    except Failed as failed:
        return entry | {"peer": {"name": race.peer}, "ratio": None, "failed": str(failed)} | about
    finally:
        for process in processes.values():
            process.close()


def _run(race: Race, processes: dict[str, Process], rounds: int) -> dict[str, Any]:
    made = {name: process.ask("prepare") for name, process in processes.items()}
    runners = [("ours", processes["ours"]), ("peer", processes["peer"])]
    if made["ours"]["limit"]:
        runners.append(("limit", processes["ours"]))
    warm = {name: process.ask(f"warm {name}") for name, process in runners}
    samples: dict[str, list[dict[str, float]]] = {name: [] for name, _ in runners}
    for i in range(rounds):
        for name, process in runners if i % 2 == 0 else reversed(runners):  # neither side always goes first
            samples[name].append(process.ask(f"sample {name}"))
    entry: dict[str, Any] = {}
    for name, _ in runners:
        entry[name] = {key: warm[name][key] for key in ("quality", "peak_mib", "first_seconds", "calls_per_sample")}
        for key in ("seconds", "cpu"):
            times = sorted(sample[key] for sample in samples[name])
            entry[name] |= {key: statistics.median(times), f"{key}_spread": [times[0], times[-1]]}
    entry["ours"]["version"] = made["ours"]["version"]
    entry["peer"] = {"name": race.peer, "version": made["peer"]["version"]} | entry["peer"]
    entry["ratio"] = entry["peer"]["seconds"] / entry["ours"]["seconds"]
    entry["ratio_cpu"] = entry["peer"]["cpu"] / max(entry["ours"]["cpu"], 1e-12)
    ratios = [p["seconds"] / o["seconds"] for o, p in zip(samples["ours"], samples["peer"], strict=True)]
    entry["ratio_spread"] = [min(ratios), max(ratios)]
    entry["quality"] = compare_quality(race, warm["ours"]["quality"], warm["peer"]["quality"])
    if "limit" in entry:
        limit = entry.pop("limit")
        entry["limit"] = {
            "what": race.limit,
            "seconds": limit["seconds"],
            "ours_over_limit": entry["ours"]["seconds"] / limit["seconds"],
        }
    entry["pools"] = {name: warm[name]["pools"] for name in ("ours", "peer")}
    return entry


def compare_quality(race: Race, ours: float | None, peer: float | None) -> dict[str, Any]:
    """Both qualities and a verdict: no worse where ours is as good, or both reach the target."""
    entry = {"measure": race.quality, "better": race.better, "ours": ours, "peer": peer, "target": race.target}
    if ours is None or peer is None:
        return entry | {"verdict": "not measured"}
    sign = 1 if race.better == "higher" else -1
    reached = race.target is not None and sign * (ours - race.target) >= 0
    no_worse = sign * (ours - peer) >= -race.slack or (reached and sign * (peer - race.target) >= 0)
    return entry | {"verdict": "no worse" if no_worse else "worse"}


def machine() -> str:
    """The machine in words, without its name."""
    processor, memory = platform.machine(), ""
    if Path("/proc/cpuinfo").exists():
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                processor = f"{line.split(':', 1)[1].strip()} ({platform.machine()})"
                break
        total = int(Path("/proc/meminfo").read_text().split()[1]) / 1024**2
        memory = f", {total:.0f} GiB of memory"
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    load = f", load {os.getloadavg()[0]:.1f} at the start" if hasattr(os, "getloadavg") else ""
    return f"{processor}, {cores} cores{memory}, {platform.system()}, Python {platform.python_version()}{load}"
