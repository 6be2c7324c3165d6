"""Checks of a regression: each a question, asked of the predictions for rows that the fit had not seen.

The thresholds are conventions, chosen so that chance alone rarely crosses them; each docstring
says how rarely, or what the number stands for.
"""

import numpy as np
from scipy import stats

from .finding import Check, Evidence, Finding


def too_good(e: Evidence) -> Finding | None:
    """R2 above 0.999 on new rows: in real data, usually a column that knows the target."""
    total = np.sum((e.observed - e.observed.mean()) ** 2)
    r2 = 1 - np.sum((e.observed - e.predicted) ** 2) / total if total > 0 else 0.0
    if r2 < 0.999:
        return None
    first = f" Shuffling {e.importance[0]['name']!r} costs most." if e.importance else ""
    return Finding(
        "P103",
        "Too good to be true?",
        "warning",
        f"R2 on new rows is {r2:.6f}.{first}",
        "Check whether a column was computed from the target or is known only after it; leave such columns out.",
    )


def noise_grows(e: Evidence) -> Finding | None:
    """Size of the residual follows the size of the prediction (Spearman's rank correlation over 0.2, p < 0.001)."""
    rank = stats.spearmanr(e.predicted, np.abs(e.observed - e.predicted)) if np.ptp(e.predicted) > 0 else None
    if rank is None or len(e.observed) < 30 or rank.pvalue > 1e-3 or abs(rank.statistic) < 0.2:
        return None
    direction = "grow" if rank.statistic > 0 else "shrink"
    return Finding(
        "P104",
        "The noise is not the same everywhere",
        "warning",
        f"Errors {direction} with the prediction (rank correlation {rank.statistic:.2f}), "
        "so one interval width does not fit all rows.",
        "Learn the logarithm of a positive target, weight the rows, or use a method that predicts its own spread.",
    )


def few_rows_rule(e: Evidence) -> Finding | None:
    """One row in a hundred carries more than a third of the squared error."""
    squared = np.sort((e.observed - e.predicted) ** 2)[::-1]
    top = max(1, len(squared) // 100)
    share = squared[:top].sum() / max(squared.sum(), np.finfo(float).tiny)
    if len(squared) < 100 or share < 1 / 3:
        return None
    return Finding(
        "P105",
        "A few rows dominate the error",
        "warning",
        f"The worst 1 % of rows ({top}) carry {100 * share:.0f} % of the squared error.",
        "Look at them under 'Errors worth a look': mistakes to mend, or a group of its own. "
        "A measure such as MAE minds them less.",
    )


def piled_up(e: Evidence) -> Finding | None:
    """More than 1 % of the targets (and at least 5) share the largest or the smallest value."""
    for name, edge in (("largest", e.observed.max()), ("smallest", e.observed.min())):
        count = int(np.sum(e.observed == edge))
        if count >= max(5, 0.01 * len(e.observed)) and len(np.unique(e.observed)) > 20:
            return Finding(
                "P106",
                "The target seems to be cut off",
                "warning",
                f"{count} of {len(e.observed)} rows share the {name} value of {e.target!r}, {edge:.6g}.",
                "If values beyond it were clipped, the errors there are not what they seem: "
                "leave these rows out, or model the cut.",
            )
    return None


def dishonest_intervals(e: Evidence) -> Finding | None:
    """The 90 % intervals miss by over three points and over four standard errors (by chance: 1 in 16,000)."""
    if e.pit is None or len(e.pit) < 50:
        return None
    inside = float(np.mean((e.pit > 0.05) & (e.pit < 0.95)))
    if abs(inside - 0.9) < max(0.03, 4 * np.sqrt(0.09 / len(e.pit))):
        return None
    return Finding(
        "P107",
        "The method's own intervals are too " + ("narrow" if inside < 0.9 else "wide"),
        "warning",
        f"Its 90 % intervals hold {100 * inside:.1f} % of new targets.",
        "Use the calibrated intervals of 'peira predict --interval', which are set by errors on new rows.",
    )


CHECKS: tuple[Check, ...] = (too_good, noise_grows, few_rows_rule, piled_up, dishonest_intervals)
