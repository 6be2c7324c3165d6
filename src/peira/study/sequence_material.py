"""Sequences with a label or a number each, out of a long table or a folder of recordings, for a study."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..core.errors import DataError
from ..experience.audio import looks_like_audio, read_audio
from ..experience.profile import missing_in
from ..experience.reading import read
from ..experience.sequences import Sequences
from .drawing import bars, strip
from .items_material import ItemsMaterial
from .material import items
from .sequences_classifier import SUMMARY, summaries
from .series import filled, of_config, one_each, series_of
from .verdict import LEVEL

FEATURES = "mfcc"
"""What is seen of a recording."""
_TOLD = 6
"""Numbers of a sequence among the errors."""
_PARTS = 4
"""Groups of sequences by length whose performance is shown apart."""


class SequenceMaterial(ItemsMaterial):
    """Sequences with a label or a number beside each.

    Parameters
    ----------
    X : Sequences
        Numbers, none of them missing.
    labels : array of shape (N,)
    notes : list of str
    target : str
    reading : dict
        How a further source is read: ``{"sequence", "time", "columns"}``, or ``{"features"}`` of recordings.
    shown : Sequences, optional
        What the report draws of them, in place of ``X``.
    skip_damaged : bool, default False
        Whether recordings that cannot be used are left out.
    """

    data = "sequences"
    item = "sequence"

    def __init__(
        self,
        X: Sequences,
        labels: np.ndarray | None,
        notes: Sequence[str],
        target: str,
        reading: dict[str, Any],
        shown: Sequences | None = None,
        skip_damaged: bool = False,
    ) -> None:
        self.skip_damaged = skip_damaged
        self._shown = X if shown is None else shown
        self.X, self.labels, self.notes, self.target, self.reading = X, labels, list(notes), target, reading
        self._marks = [hashlib.blake2b(part.tobytes(), digest_size=16).digest() for part in X]
        self.repeated = len(self._marks) - len(set(self._marks))
        self.of_files = "features" in reading
        if self.of_files:
            self.item = "recording"  # type: ignore[misc]

    @property
    def inputs(self) -> str:
        low, high = int(self.X.lengths.min()), int(self.X.lengths.max())
        steps = f"{low:,}" if low == high else f"{low:,} to {high:,}"
        return f"{self.item}s of {steps} steps with {self.width} numbers each"

    @property
    def width(self) -> int:
        return int(self.X.values.shape[1])

    def digest(self) -> str:
        digest = hashlib.sha256(f"sequences\0{self.X.values.shape}\0{self.reading}\0".encode())
        for mark in self._marks:
            digest.update(mark)
        digest.update("\0".join(map(str, self.labels.tolist() if self.labels is not None else [])).encode())
        return digest.hexdigest()

    def profile(self) -> dict[str, Any]:
        labels: dict[str, Any] = {}
        if self.task == "classification":
            counts = Counter(map(str, self.labels.tolist() if self.labels is not None else []))
            labels = {"labels": [{"label": label, "count": count} for label, count in sorted(counts.items())]}
        return {
            "data": "sequences",
            "sequences": len(self.X),
            "steps": len(self.X.values),
            "shortest": int(self.X.lengths.min()),
            "longest": int(self.X.lengths.max()),
            "numbers": list(self.X.names or range(self.width)),
            "repeated": self.repeated,
            "target": self.target,
            **labels,
            "notes": self.notes,
        }

    def again(self, source: Any, target: str) -> tuple[Any, np.ndarray]:
        X, labels = sequences_like(source, self.reading, target, skip_damaged=self.skip_damaged)
        if labels is None:
            raise DataError(f"the {self.item}s of {source} have no labels to compare answers with")
        return X, labels

    def remember(self, model: Any) -> None:
        super().remember(model)
        model.reading_ = self.reading

    def called(self, rows: np.ndarray) -> Sequence[Any]:
        return self.X.ids[rows].tolist()

    def drawn(self, rows: Any) -> list[str]:
        steps = self._shown.values
        if "features" in self.reading:  # one scale for all bands of a spectrogram
            mean, scale = steps.mean(), steps.std() or 1.0
        else:
            mean, scale = steps.mean(0), np.where(steps.std(0) > 0, steps.std(0), 1.0)
        return [strip((part - mean) / scale) for part in self._shown[np.asarray(rows, dtype=np.intp)]]

    def recipe(self, verb: str, source: str) -> str:
        skip = ", skip_damaged=True" if self.skip_damaged else ""
        return (
            "from peira.study.sequence_material import sequences_like\n"
            f"sequences, labels = sequences_like({source!r}, model.reading_{skip})\nmodel.{verb}(sequences)"
        )

    def sections(self, outcome: Any) -> dict[str, Any]:
        """The sequences: some of each label, what is taken for what, and how performance depends on their length."""
        labels = self.task == "classification"
        return {
            "pictures": {
                "of": f"{self.item}s",
                "by": "label" if labels else f"range of {self.target}",
                "size": self._words(),
                **self.samples(outcome),
                "confusions": self.confusions(outcome),
            },
            "looks": {"figures": self._by_length(outcome)},
            "absent": {
                "explanation": "There are no columns to weigh: look at "
                + (f"the confusions, and at the errors as {self.item}s." if labels else "the errors.")
            },
        }

    def told(self, row: int) -> dict[str, Any]:
        steps, names = self.X[[row]], self.X.names or range(self.width)
        each = dict(zip([f"{what} of {name}" for name in names for what in SUMMARY], summaries(steps)[0], strict=False))
        shown = [f"{what} of {name}" for name in names for what in ("mean", "last")]
        return {"steps": len(steps.values), **{name: float(each[name]) for name in shown[:_TOLD]}}

    def _words(self) -> str:
        if "features" in self.reading:
            return "their loudness by time (to the right) and pitch (upwards)"
        names = ", ".join((self.X.names or ())[:6])
        return f"each number standardised{': ' + names if self.width <= 6 and names else ''}"

    def _by_length(self, outcome: Any) -> list[dict[str, Any]]:
        """Performance among short and long sequences: the share of right answers, or the usual error."""
        lengths = self.X.lengths[outcome.unseen.rows]
        cuts = np.unique(np.quantile(lengths, np.linspace(0, 1, _PARTS + 1)).round())
        if len(cuts) < 3:
            return []
        labels = self.task == "classification"
        shown = outcome.study.question.measure("accuracy" if labels else "rmse")
        groups = np.clip(np.searchsorted(cuts, lengths, side="right") - 1, 0, len(cuts) - 2)
        told = []
        for k in range(len(cuts) - 1):
            inside = groups == k
            if inside.sum() < 2:
                continue
            part = {name: values[inside] for name, values in outcome.unseen.arrays.items()}
            value = outcome.study.question.value(part, shown)
            low, high = outcome.study.question.interval(part, shown, LEVEL)
            told.append((value, low, high, f"{cuts[k]:g} to {cuts[k + 1]:g}\n({int(inside.sum())})"))
        if len(told) < 2:
            return []
        values, lows, highs, names = zip(*told, strict=True)
        return [
            {
                "title": "Performance by length",
                "caption": f"{'Share of right answers' if labels else 'Typical error'} among {self.item}s of so many "
                f"steps (how many there are), on {self.item}s that the fits had not seen, with {100 * LEVEL:g} % "
                "intervals.",
                "png": bars(values, lows, highs, names, "share that is right" if labels else shown.title),
            }
        ]


def open_sequences_source(source: Any, config: dict[str, Any]) -> SequenceMaterial | None:
    """The labelled sequences of a source; None if it holds something else.

    A folder of recordings (wav or flac) with a sub-folder for each label, or a table for which ``config`` names the
    column that says which rows belong together, and the target.
    """
    if isinstance(source, str | Path) and looks_like_audio(source):
        if not Path(source).expanduser().is_dir():
            raise DataError(
                f"{source} is no folder: recordings are learned from in one, with a sub-folder for each label"
            )
        return _recordings(Path(source), config)
    if config.get("sequence") is None or config.get("task") in ("forecasting", "tagging"):
        return None
    table, target = read(source), config.get("target")
    target = target or table.suggested_target
    if target is None:
        raise DataError("sequences need a target to predict: name its column with -y, or --task forecasting")
    if target not in table:
        series_of(table, sequence=None, time=target)  # says which name was meant
    series = of_config(table, config, (target,))
    labels = one_each(series.beside(table[target]))
    if labels is None:
        return None
    X, said = filled(series.X)
    reading = {"sequence": config["sequence"], "time": config.get("time"), "columns": list(X.names or ())}
    notes = [*series.notes, *([said] if said else []), f"every sequence has one {target}: it is the sequence's"]
    if (absent := missing_in(labels)).any():
        X, labels = X[~absent], labels[~absent]
        notes.append(f"{items(int(absent.sum()), 'sequence')} without a {target} left out")
    return SequenceMaterial(X, labels, notes, target, reading)


def sequences_like(
    source: Any, reading: dict[str, Any], target: str | None = None, *, skip_damaged: bool = False
) -> tuple[Sequences, np.ndarray | None]:
    """Sequences of a further source, read as those that a model has learned from, and their labels if there are any."""
    if "features" in reading:
        audio, labels = read_audio(Path(source).expanduser(), skip_damaged=skip_damaged)
        audio = audio if audio.rate == reading["rate"] else audio.resampled(reading["rate"])
        return audio.features(reading["features"]), labels
    table = read(source)
    series = series_of(table, sequence=reading["sequence"], time=reading["time"], columns=reading["columns"])
    labels = one_each(series.beside(table[target])) if target is not None and target in table else None
    return filled(series.X)[0], labels


def _recordings(folder: Path, config: dict[str, Any]) -> SequenceMaterial:
    skip_damaged = bool(config.get("skip_damaged"))
    audio, labels = read_audio(folder.expanduser(), skip_damaged=skip_damaged)
    X = audio.features(FEATURES)
    notes = [*audio.notes, f"each recording is seen as {X.values.shape[1]} {FEATURES} coefficients a step"]
    reading = {"features": FEATURES, "rate": int(audio.rate)}
    target, shown = config.get("target") or "class", audio.features("mel")
    return SequenceMaterial(X, labels, notes, target, reading, shown, skip_damaged)
