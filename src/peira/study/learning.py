"""The main job: compare every suitable method on a table, choose one, and say how well it learned.

The protocol, in order:

1. read the table, decide what its columns are, and what the target asks for;
2. split the rows into folds, written to the run;
3. for each candidate and fold, choose settings on inner folds of the training rows, fit, and
   predict the test rows (`peira.study.evaluating`): one cell;
4. the leaderboard orders candidates by their predictions for rows that they had not seen;
5. the reported score repeats the whole selection in each fold: there the candidate is taken that
   did best on the *inner* folds, so that picking the best of many does not flatter the result;
6. the winner is fitted to all rows, and the report is written.

Every finished cell is on disk before the next is begun; `resume` skips those.
"""

import contextlib
import io
import itertools
import json
import math
import re
import time as clock
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from joblib import Parallel, cpu_count, delayed

from ..core.errors import DataError, ParameterError, UnreadableError
from ..core.iteration import announce, limiting, observing, reason_to_stop, task, time_left
from ..core.listeners import Progress, Recorder
from ..experience.opening import read_bytes
from ..experience.splits import to_json
from .candidates import Candidate
from .evaluating import Cell, evaluate
from .finishing import finish
from .planning import Study
from .run import Run, as_json, plain

_FRAME = "(a frame in memory)"
_STDIN = Path("data") / "stdin"
SEARCHED = 0.7
"""Share of a budget for the search where it is dealt out among fits; the rest is for the last fit."""
_PATIENCE = 8.0  # seconds of work from which on starting processes costs less than it saves
_STARTING = 30.0  # seconds that a budget must have left for starting processes to pay


def learn(
    source: Any = None,
    target: str | None = None,
    *,
    task: str = "auto",
    measure: str | None = None,
    methods: str | list[str] = "all",
    budget: str | float | None = None,
    trials: int = 8,
    cv: int | str = "auto",
    test: Any = None,
    seed: int = 0,
    jobs: int = -1,
    output: str | Path | None = None,
    resume: str | Path | None = None,
    kinds: dict[str, Any] | None = None,
    costs: list[tuple[Any, Any, float]] | None = None,
    calibration: str | None = None,
    judge: str | None = None,
    sequence: str | None = None,
    time: str | None = None,
    horizon: int | None = None,
    unit: str | None = None,
    skip_damaged: bool = False,
    progress: bool = True,
) -> Run:
    """Compare every suitable method on a table, on images or on sequences, and report.

    Parameters
    ----------
    source : path, "example:NAME", "-", frame or Images
        Where the table is; see `peira.read`. Or images: a folder with a sub-folder for each class, an npz file with
        images and labels, or an idx file with its labels beside it. With ``resume``, left out.
    target : str, optional
        The column to predict; for bundled examples and images it is known.
    task : str, default "auto"
        "regression", "classification", or "auto" to read it off the target. Without a target: "clustering" (which rows
        belong together?), "density" (how likely is a row? of sequences: which states do they go through?), "anomaly"
        (which rows are unlike the others?) or "reduction" (which few numbers describe a row?). Of sequences also
        "tagging" (a label for each step), "forecasting" and "language", which the source and its columns tell.
    measure : str, optional
        What counts; by default the task's own (RMSE for numbers, log loss for labels).
    methods : "all" or list of str, default "all"
        Names of methods. A baseline runs in any case.
    budget : float or str, optional
        Wall-clock time for the search: seconds, or "90s", "5m", "1h". Candidates whose turn does
        not come are listed as skipped. Among methods of images it is dealt out instead: each fit ends with its share,
        and a part is kept for the last fit. Without it, everything runs.
    trials : int, default 8
        The most settings that a method may try on the inner folds.
    cv : int or str, default "auto"
        Number of folds; "holdout" (one fifth, at most 10,000 items, is judged once); "time:COLUMN" (each fold is tested
        on rows later than those it learns from) or "group:COLUMN" (rows of a group stay on one side). By default 5
        folds, and a hold-out for images from 10,000 on.
    test : path or frame, optional
        A further table; the winner is measured on it once.
    seed : int, default 0
        The same seed gives the same leaderboard, whatever the number of jobs.
    jobs : int, default -1
        Processes; -1 is one for each core where the work takes long enough.
    output : path, optional
        Folder of the run, ``runs/NAME`` by default. It must not exist.
    resume : path, optional
        A run that was cut short, to go on with under its own arguments.
    kinds : dict, optional
        Kinds of columns by name, to override what is inferred.
    costs : list of (true label, predicted label, cost), optional
        What mistakes cost; those left out cost 1. The decision is then that of least expected cost,
        which is also the default measure.
    calibration : "sigmoid", "isotonic" or "temperature", optional
        Correct the probabilities of labels on rows that the method did not see.
    judge : str, optional
        Of a task without a target: a column of labels that what is found is compared with. It is no input.
    sequence, time : str, optional
        Of a long table of sequences: the columns that say to which sequence a row belongs, and when it was.
    horizon : int, optional
        Of a forecast: how many steps ahead; by default up to 12.
    unit : "characters", "words", "spaces" or "subwords", optional
        Of a text: what a symbol is; characters by default. "spaces" takes what stands between spaces as it is;
        "subwords" are learned from the text, and judged in bits per character.
    skip_damaged : bool, default False
        Of a folder of images or recordings: leave out files that are damaged, of no known kind or without a label, and
        say which, instead of refusing the folder.
    progress : bool, default True
        Show on stderr how far it is.

    Returns
    -------
    Run
        ``run.state`` holds the outcome; `peira.load(run.path)` the winner.

    Raises
    ------
    DataError
        If the table or the task cannot be understood.
    FileExistsError
        If ``output`` exists.

    Examples
    --------
    >>> import peira, tempfile
    >>> folder = tempfile.mkdtemp() + "/run"
    >>> run = peira.learn("example:diabetes", methods=["Ridge"], output=folder, progress=False)
    >>> run.state["state"]
    'complete'
    """
    if jobs == 0 or jobs < -1:
        raise ParameterError(f"jobs must be -1 or at least 1, got {jobs}")
    if resume is not None:
        run = Run.open(resume)
        if run.state.get("state") == "complete":
            return run
        run.cut_torn_line("trials.jsonl")
        run.cut_torn_line("events.jsonl")
        config = run.config
        study = reopened(run)
    else:
        config = {
            "source": str(source) if isinstance(source, str | Path) else _FRAME,
            "target": target,
            "task": task,
            "measure": measure,
            "methods": methods,
            "budget": parse_duration(budget),
            "trials": trials,
            "cv": str(cv),
            "test": None if test is None else str(test) if isinstance(test, str | Path) else _FRAME,
            "seed": seed,
            "kinds": json.dumps(kinds) if kinds else None,
            "costs": json.dumps([[str(t), str(p), float(c)] for t, p, c in costs]) if costs else None,
            "calibration": calibration,
            "judge": judge,
            "sequence": sequence,
            "time": time,
            "horizon": horizon,
            "unit": unit,
            "skip_damaged": skip_damaged or None,
        }
        stdin = read_bytes("-", text=True) if config["source"] == "-" else None
        study = Study(config, source if stdin is None else io.BytesIO(stdin))
        state = {
            "data_sha256": study.digest,
            "source": config["source"],
            "target": study.target,
            "task": study.task,
            "measure": study.measure.name,
            "measure_title": study.measure.title,
            "seed": seed,
        }
        profile, splits = study.material.profile(), to_json(study.folds, len(study.y))
        data = {"profile.json": as_json(profile).encode(), "splits.json": as_json(splits).encode()}
        if stdin is not None:
            data[_STDIN.name] = stdin
        run = Run.create(output or _free_name(config["source"]), config, state, data)
    further = test if config.get("test") == _FRAME else config.get("test")
    listeners = [Recorder(run.path / "events.jsonl", depth=2)] + ([Progress()] if progress else [])
    with contextlib.closing(listeners[0]), observing(*listeners), limiting(interruptible=True):
        cells = _search(study, run, jobs)
        finish(study, run, cells, further)
    return run


def reopened(run: Run) -> Study:
    """What a run learns from, read anew from where it lay.

    Raises
    ------
    UnreadableError
        If it was a frame in memory.
    DataError
        If it is gone, or holds other values than it did.
    """
    source = run.config["source"]
    if source == _FRAME:
        raise UnreadableError(f"{run.path} was made from a frame in memory, which is gone; run learn again")
    study = Study(run.config, run.path / _STDIN if source == "-" else source)
    if study.digest != run.state.get("data_sha256"):
        raise DataError(f"{source} has changed since {run.path} was begun; run learn again into another folder")
    return study


def _search(study: Study, run: Run, jobs: int) -> list[Cell]:
    """Run the cells that are not on disk yet, each kept as it finishes; in the order of the candidates."""
    done = {(line["candidate"], line["fold"]): line for line in run.lines("trials.jsonl")}
    spent = max((line["elapsed"] for line in done.values()), default=0.0)
    began = clock.monotonic() - spent
    budget = study.config.get("budget")
    todo = [
        (candidate, fold)
        for candidate in study.candidates
        if candidate.skip is None
        for fold in range(len(study.folds))
        if (candidate.id, fold) not in done
    ]
    total = len(todo) + len(done)

    def keep(cell: Cell) -> None:
        if cell.status == "stopped":
            return
        if cell.trace:
            run.write_text(f"errors/{cell.candidate}-fold-{cell.fold}.txt", cell.trace)
        if cell.arrays:
            run.write_predictions(cell.candidate, cell.fold, cell.arrays)
        line = {**cell.record(), "elapsed": clock.monotonic() - began}
        run.append("trials.jsonl", line)
        done[cell.candidate, cell.fold] = plain(line)
        announce(
            "cell",
            len(done) - 1,
            total,
            {"candidate": cell.candidate, "fold": cell.fold, study.measure.name: cell.score},
        )

    with task("search", cells=total):
        # The baseline is what everything else is compared with: no budget leaves it out.
        for cell in _cells(study, [(c, fold) for c, fold in todo if c.baseline], 1):
            keep(cell)
        if budget is not None and study.question.shares_time:
            budget *= SEARCHED
        with limiting(None if budget is None else max(0.0, budget - spent)):
            for cell in _cells(study, [(c, fold) for c, fold in todo if not c.baseline], jobs):
                keep(cell)
    stopped = "interrupted" if reason_to_stop() else "budget" if len(done) < total else None
    run.update(stopped=stopped, seconds=clock.monotonic() - began)
    order = [(c.id, fold) for c in study.candidates for fold in range(len(study.folds))]
    cells = []
    for key in order:
        if key in done:
            line = {name: value for name, value in done[key].items() if name != "elapsed"}
            cells.append(Cell(**line, arrays=run.read_predictions(*key) if line["status"] == "ok" else {}))
    return cells


def _cells(study: Study, todo: list[tuple[Candidate, int]], jobs: int) -> Iterator[Cell]:
    """Evaluate cells as long as there is time: here, or in other processes, with -1 once it turns out to take long."""

    def arguments(candidate: Candidate, fold: int) -> tuple:
        train, test = study.folds[fold]
        return candidate, study.X, study.y, train, test, fold, study.protocol

    began = clock.monotonic()
    deadline = clock.time() + time_left()
    shares = study.question.shares_time and deadline < math.inf
    processes = cpu_count() if jobs == -1 else jobs
    long = any(c.cls.card.data != "table" for c, _ in todo)  # nets: there is nothing to wait and see
    patience = 0.0 if long else _PATIENCE

    def here() -> bool:
        """Whether the next cell is evaluated in this process: further ones have yet to pay, or cannot any more."""
        waits = clock.monotonic() - began < patience or time_left() < _STARTING
        return processes == 1 or (jobs == -1 and waits)

    def share(left: int) -> float | None:
        """Seconds for the next of so many fits: what others leave of theirs is dealt out anew."""
        at_once = 1 if here() else min(processes, left)
        return max(1.0, (deadline - clock.time()) * at_once / left) if shares else None

    while todo and here():
        if reason_to_stop():
            return
        yield evaluate(*arguments(*todo.pop(0)), share=share(len(todo) + 1))
    if not todo:
        return
    # Asked of the clock: joblib takes work from threads that know nothing of limits.
    in_time = itertools.takewhile(lambda _: clock.time() < deadline, enumerate(todo))
    work = (delayed(evaluate)(*arguments(*cell), until=deadline, share=share(len(todo) - i)) for i, cell in in_time)
    ahead = processes if shares else "2 * n_jobs"  # a share is reckoned when a fit is about to begin
    results = Parallel(n_jobs=processes, batch_size=1, pre_dispatch=ahead, return_as="generator_unordered")(work)
    try:
        for cell in results:
            yield cell
            if reason_to_stop() == "interrupted":
                return
    except Exception:
        # Ctrl-C reaches the other processes too; what they leave behind is not an error of theirs.
        if reason_to_stop() != "interrupted":
            raise
    finally:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*tasks which were still being processed")
            results.close()


def parse_duration(budget: str | float | None) -> float | None:
    """Seconds of a duration such as 90, "90s", "5m" or "1.5h"; None stays None.

    >>> parse_duration("1.5m")
    90.0
    """
    if budget is None:
        return None
    text = str(budget).strip().lower()
    unit = {"s": 1.0, "m": 60.0, "h": 3600.0}.get(text[-1:])
    try:
        seconds = float(text[:-1]) * unit if unit else float(text)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise ParameterError(f"a budget is a positive number of seconds, or such as '90s', '5m', '1h'; got {budget!r}")
    return seconds


def _free_name(source: str) -> Path:
    """``runs/NAME``, or with a number behind it where that is taken: nothing is overwritten."""
    stem = Path(source.removeprefix("example:")).name.split(".")[0]
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", stem).strip("-")[:40] or "run"
    paths = (Path("runs") / (name if i == 1 else f"{name}-{i}") for i in itertools.count(1))
    return next(path for path in paths if not path.exists())
