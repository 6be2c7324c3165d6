"""Checks that any task allows: each a question, asked of the scores, the folds and the search.

The thresholds are conventions; each docstring says what the number stands for.
"""

import numpy as np

from .finding import Check, Evidence, Finding


def no_better_than_baseline(e: Evidence) -> Finding | None:
    """The mean gain over the baseline is not positive on the folds."""
    gain = _gain(e.scores, e.baseline_scores, e)
    if np.mean(gain) > 0:
        return None
    return Finding(
        "P101",
        "No better than the baseline",
        "problem",
        f"{e.measure} {np.mean(e.scores):.4g} against {np.mean(e.baseline_scores):.4g} of the baseline, "
        "which ignores the inputs.",
        "This speaks only of the methods that had their turn: give the search more time, or name one with --methods."
        if e.stopped
        else "The inputs hold nothing that these methods can use: check that rows and targets belong together, add "
        "inputs, or do without machine learning here.",
    )


def learns_by_heart(e: Evidence) -> Finding | None:
    """The gap between training and test is more than a quarter of the gain over the baseline."""
    gap = np.mean(_gain(e.train_scores, e.scores, e))
    gain = np.mean(_gain(e.scores, e.baseline_scores, e))
    if gain <= 0 or gap <= 0.25 * gain:
        return None
    return Finding(
        "P102",
        "Overfits",
        "warning",
        f"{e.measure} is {np.mean(e.train_scores):.4g} on training {e.items} and {np.mean(e.scores):.4g} on new ones: "
        f"the gap is {100 * gap / gain:.0f} % of what was gained over the baseline.",
        "More rows help most; otherwise a stronger penalty, fewer columns, or fewer basis functions."
        if e.tabular
        else f"More {e.items} help most; otherwise augmentation, a stronger penalty, or dropout.",
    )


def repeated(e: Evidence) -> Finding | None:
    """At least one row in a hundred repeats another: the same row may be learned from and tested on."""
    if e.repeated_rows < max(1, 0.01 * len(e.observed)):
        return None
    return Finding(
        "P108",
        f"{e.items.capitalize()} repeat",
        "warning",
        f"{e.repeated_rows} {e.items} repeat an earlier one, so a fold's test {e.items} can stand among its training "
        f"{e.items}.",
        "If they are copies, remove them"
        + ("; if they belong to one subject, split with --cv group:COLUMN." * e.tabular or "."),
    )


def unsettled(e: Evidence) -> Finding | None:
    """A fit of the winner warned."""
    if not e.warnings:
        return None
    return Finding(
        "P109", "The winner's fits warned", "warning", "; ".join(e.warnings[:3]), "Follow the warning's own advice."
    )


def wants_more_data(e: Evidence) -> Finding | None:
    """The last doubling of the rows still brought more than a twentieth of the gain over the baseline."""
    if not e.curve or len(e.curve["sizes"]) < 3:
        return None
    sizes, scores = np.asarray(e.curve["sizes"], float), np.asarray(e.curve["validation"], float)
    half = np.interp(np.log(sizes[-1] / 2), np.log(sizes), scores)
    step = _gain(scores[-1], half, e)
    gain = np.mean(_gain(e.scores, e.baseline_scores, e))
    if gain <= 0 or step < 0.05 * gain:
        return None
    return Finding(
        "P201",
        "More data would help",
        "info",
        f"The last doubling of the {e.items} moved {e.measure} from {half:.4g} to {scores[-1]:.4g}.",
        f"Collect more {e.items} before a finer method.",
    )


def undecided(e: Evidence) -> Finding | None:
    """Some candidate cannot be told from the winner."""
    if not e.ties:
        return None
    names = ", ".join(e.ties[:5]) + (f" and {len(e.ties) - 5} more" if len(e.ties) > 5 else "")
    return Finding(
        "P202",
        "No clear winner",
        "info",
        f"The winner cannot be told from: {names}."
        if len(e.scores) < 2
        else f"Over the folds, the winner cannot be told from: {names}.",
        "Take the one that is simplest to explain or fastest.",
    )


def cut_short(e: Evidence) -> Finding | None:
    """The search ended before every candidate had its turn."""
    if not e.stopped:
        return None
    return Finding(
        "P203",
        "The search was cut short",
        "warning",
        f"It ended early ({e.stopped}); candidates that did not get their turn stand in the leaderboard as skipped.",
        "Give it more time with --budget, or fewer methods with --methods.",
    )


def _gain(better: np.ndarray | float, worse: np.ndarray | float, e: Evidence) -> np.ndarray | float:
    return better - worse if e.higher_is_better else worse - better


CHECKS: tuple[Check, ...] = (
    no_better_than_baseline,
    learns_by_heart,
    repeated,
    unsettled,
    wants_more_data,
    undecided,
    cut_short,
)
