"""Races: both sides in their own process, in turn; what is absent or fails is an entry."""

import importlib
import sys

import pytest

from evidence import contest
from evidence.contest import Process, compare_quality, run_race
from evidence.rows import RACES, Sides, races_of, racing

SMALL = """
from evidence import Sides, racing

def made(ours, peer=lambda: 2.0, **more):
    return lambda: Sides(ours, peer, **more)

def noisy():
    print("noise on stdout")
    return 1.0

def missing():
    import no_such_library

def dies():
    import os
    os._exit(3)

def grown():
    return sum(bytearray(64 << 20)[:: 1 << 20]) * 1.0

racing("9.01", case="fine", peer="numpy", quality="value", better="lower", limit="nothing")(
    made(noisy, quality=float, limit=lambda: None))
racing("9.02", case="no peer", peer="nothing", install="pip install nothing")(made(noisy, missing))
racing("9.03", case="fails", peer="numpy")(made(lambda: 1 / 0))
racing("9.04", case="dies", peer="numpy")(made(noisy, dies))
racing("9.05", case="elsewhere", peer="numpy", environment="nowhere")(made(noisy))
racing("9.06", case="no data", peer="numpy", data="esl/nothing.csv")(made(noisy))
racing("9.07", case="memory", peer="numpy")(made(noisy, grown))
"""


@pytest.fixture
def race(tmp_path, monkeypatch):
    """The races of a module that only these tests have."""
    (tmp_path / "small_races.py").write_text(SMALL)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.syspath_prepend(tmp_path)
    before = list(RACES)
    importlib.import_module("small_races")
    for declared in races_of("small_races"):
        # the lambdas of `made` belong to the module, so that the worker finds them by its name
        assert declared.prepare.__module__ == "small_races"
    yield {declared.id: declared for declared in races_of("small_races")}
    RACES[:] = before
    del sys.modules["small_races"]


def test_both_sides_are_timed_in_turn(race, monkeypatch):
    asked = []
    ask = Process.ask
    monkeypatch.setattr(Process, "ask", lambda self, command: (asked.append(command), ask(self, command))[1])
    entry = run_race(race["9.01"], threads=1, rounds=2)
    assert [command for command in asked if command.startswith("sample")] == [
        *("sample ours", "sample peer", "sample limit"),
        *("sample limit", "sample peer", "sample ours"),
    ]
    assert entry["ratio"] == entry["peer"]["seconds"] / entry["ours"]["seconds"]
    assert entry["ratio_spread"][0] <= entry["ratio_spread"][1]
    assert entry["quality"] == {
        "measure": "value",
        "better": "lower",
        "ours": 1.0,
        "peer": 2.0,
        "target": None,
        "verdict": "no worse",
    }
    assert entry["peer"]["version"]
    assert entry["limit"]["what"] == "nothing"
    for side in ("ours", "peer"):
        low, high = entry[side]["seconds_spread"]
        assert 0 < low <= entry[side]["seconds"] <= high
        assert entry[side]["peak_mib"] >= 0
    assert entry["threads"] == 1
    assert entry["pools"] == {"ours": [1], "peer": [1]}


@pytest.mark.parametrize(
    ("id", "key", "words"),
    [
        ("9.02", "missing", "no_such_library is not installed; pip install nothing"),
        ("9.03", "failed", "ours: ZeroDivisionError: division by zero"),
        ("9.04", "failed", "peer: the process ended (exit 3) while asked to warm peer"),
        ("9.05", "missing", "PEIRA_RACE_NOWHERE"),
        ("9.06", "missing", "needs esl/nothing.csv"),
    ],
)
def test_what_is_absent_or_fails_is_an_entry(race, id, key, words):
    entry = run_race(race[id], threads=1, rounds=1)
    assert words in entry[key]
    assert entry["ratio"] is None
    assert entry["id"] == id


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_peak_memory_is_the_calls_own(race):
    entry = run_race(race["9.07"], threads=1, rounds=1)
    assert 60 < entry["peer"]["peak_mib"] < 80
    assert entry["ours"]["peak_mib"] < 10


def quality_race(**about):
    return racing("9.09", case="", peer="", **about)


@pytest.mark.parametrize(
    ("about", "ours", "peer", "verdict"),
    [
        ({"better": "higher"}, 3.0, 2.0, "no worse"),
        ({"better": "higher"}, 2.0, 3.0, "worse"),
        ({"better": "lower"}, 2.0, 3.0, "no worse"),
        ({"better": "lower"}, 3.0, 2.0, "worse"),
        ({"better": "higher", "slack": 1.0}, 2.0, 3.0, "no worse"),
        ({"better": "lower", "target": 1e-6}, 9e-7, 1e-9, "no worse"),
        ({"better": "lower", "target": 1e-6}, 2e-6, 1e-9, "worse"),
        ({"better": "lower"}, None, 1.0, "not measured"),
        ({"better": "lower"}, float("nan"), 1.0, "worse"),
        ({"better": "lower"}, 1.0, float("nan"), "worse"),
    ],
)
def test_quality_verdicts(about, ours, peer, verdict):
    before = list(RACES)
    quality_race(**about)(lambda: Sides(float, float))
    declared, RACES[:] = RACES[-1], before
    assert compare_quality(declared, ours, peer)["verdict"] == verdict


def test_the_machine_has_words_but_no_name():
    import platform

    assert "cores" in contest.machine()
    assert platform.node() not in contest.machine()
