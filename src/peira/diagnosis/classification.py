"""Checks of a classification: each a question, asked of the answers for rows that the fit had not seen.

The thresholds are conventions, chosen so that chance alone rarely crosses them; each docstring
says how rarely, or what the number stands for.
"""

import numpy as np
from scipy import stats

from .finding import Check, Evidence, Finding

FEW, FEWEST = 20, 5
"""A class with fewer rows is hard to learn, and its recall is hardly known; below the second number it says nothing."""
SURE = 0.02
"""An error is a confident one if the true label had at most this probability."""
_BINS, _DRAWS = 10, 200


def too_good(e: Evidence) -> Finding | None:
    """At most one error where the most frequent label makes 500, among 200 rows or more; or an AUC of 0.9999."""
    base = len(e.observed) - np.bincount(e.observed).max()
    errors = int(np.sum(e.observed != e.predicted))
    area = _area(e)
    perfect = len(e.observed) >= 200 and errors <= 0.002 * base
    if not perfect and (area is None or area < 0.9999):
        return None
    said = f"{errors} errors in {len(e.observed)} new {e.items}, where the most frequent label makes {base}."
    if area is not None:
        said += f" Area under the ROC curve: {area:.6f}."
    first = f" Shuffling {e.importance[0]['name']!r} costs most." if e.importance else ""
    return Finding(
        "P110",
        "Too good to be true?",
        "warning",
        said + first,
        "Check whether a column was computed from the target or is known only after it; leave such columns out."
        if e.tabular
        else "Check whether something other than what is meant gives the label away: a mark, a size, a background.",
    )


def rare_not_found(e: Evidence) -> Finding | None:
    """The rarest label of five rows or more, below a tenth of them all (less for many labels), is found in less than
    half of its rows.

    Says nothing where costs were stated: the decision then does what was asked for.
    """
    known = [row for row in e.table if row["support"] >= FEWEST]
    if len(known) < 2 or e.costs:
        return None
    rarest = min(known, key=lambda row: row["support"])
    share = rarest["support"] / len(e.observed)
    if share >= 0.1 / max(1.0, len(known) / 2) or rarest["recall"] >= 0.5:
        return None
    return Finding(
        "P111",
        "The rarest label is hardly found",
        "warning",
        f"{rarest['label']!r} stands in {100 * share:.2g} % of the {e.items}, and {100 * rarest['recall']:.0f} % of "
        f"its {rarest['support']} {e.items} are found.",
        f"If missing it is worse than a false alarm, say by how much: --cost '{rarest['label']}:OTHER=10'. "
        "The probabilities stay as they are, and the threshold follows the costs.",
    )


def uncalibrated(e: Evidence) -> Finding | None:
    """Calibration error above 0.01 and over five standard deviations above what honest probabilities would give.

    What they would give is drawn: labels that follow the probabilities, 200 times. In 4,500 simulated studies of
    200 or 800 rows with honest probabilities chance came to 4.3 deviations at most.
    """
    if e.probs is None or len(e.observed) < 50:
        return None
    p, happened = _stated(e.probs, e.observed)
    order = np.argsort(p, kind="stable")
    p, happened = p[order], happened[order]
    starts = np.unique(np.linspace(0, len(p), _BINS + 1).astype(int)[:-1])

    def error(happens: np.ndarray) -> float:
        return float(np.abs(np.add.reduceat(happens - p, starts)).sum() / len(p))

    rng = np.random.default_rng(0)
    honest = np.array([error(rng.random(len(p)) < p) for _ in range(_DRAWS)])
    seen = error(happened)
    if seen < max(0.01, honest.mean() + 5 * honest.std()):
        return None
    gap = float(np.mean(p) - np.mean(happened))
    which = f"of {e.classes[1]!r} " if len(e.classes) == 2 else "of the most probable label "
    return Finding(
        "P112",
        "The probabilities do not keep their word",
        "warning",
        f"Probabilities {which}are off by {100 * seen:.1f} points on average ({100 * np.mean(p):.1f} % said, "
        f"{100 * np.mean(happened):.1f} % seen{', too sure of itself' if gap > 0.01 and len(e.classes) > 2 else ''}); "
        f"honest ones would be off by {100 * honest.mean():.1f} by chance.",
        "Learn with --calibrate, which corrects them on rows that the method did not see; see the reliability curve."
        if e.calibration == "none" and e.tabular
        else "Use them to rank, not as they are; in a net, label_smoothing or fewer updates make them less sure."
        if e.calibration == "none"
        else f"The correction by {e.calibration!r} was not enough: try another --calibrate, or another method.",
    )


def few_rows_of_a_label(e: Evidence) -> Finding | None:
    """Some label has fewer than 20 rows: its recall is then known to a fifth at best."""
    few = [row for row in e.table if 0 < row["support"] < FEW]
    if not few:
        return None
    names = ", ".join(f"{row['label']!r} ({row['support']})" for row in few[-5:][::-1])
    more = f" and {len(few) - 5} more" if len(few) > 5 else ""
    return Finding(
        "P113",
        f"Labels with few {e.items}",
        "info",
        f"Fewer than {FEW} {e.items}: {names}{more}.",
        f"Collect more {e.items} of these, join them with a related label, or leave them out and say so.",
    )


def never_predicted(e: Evidence) -> Finding | None:
    """A label with at least five rows that no row was given."""
    never = [
        row for row in e.table if row["support"] >= FEWEST and not np.any(e.predicted == e.classes.index(row["label"]))
    ]
    if not never:
        return None
    names = ", ".join(f"{row['label']!r} ({row['support']} {e.items})" for row in never[:5])
    more = f" and {len(never) - 5} more" if len(never) > 5 else ""
    return Finding(
        "P114",
        "A label is never predicted",
        "warning",
        f"No {e.item} was given: {names}{more}.",
        f"The probabilities may still tell these {e.items} apart: look at their order, and state with --cost what "
        f"missing one costs. Otherwise more {e.items}{', or columns that mark them' * e.tabular}.",
    )


def confused_pair(e: Evidence) -> Finding | None:
    """Of at least 20 errors, one pair of three or more labels carries a third, and twice what pairs carry on average.

    Were the pairs equally likely, chance would let one of them carry so much in less than one study in 1,000.
    """
    C = len(e.classes)
    wrong = e.observed != e.predicted
    errors = int(wrong.sum())
    if C < 3 or errors < 20:
        return None
    low, high = np.minimum(e.observed, e.predicted)[wrong], np.maximum(e.observed, e.predicted)[wrong]
    pairs, counts = np.unique(low * C + high, return_counts=True)
    most = int(counts.argmax())
    share = counts[most] / errors
    average = 2 / (C * (C - 1))
    chance = stats.binom.sf(counts[most] - 1, errors, average) / average  # any of the pairs might have been the one
    if share < max(1 / 3, 2 * average) or chance > 1e-3:
        return None
    a, b = (e.classes[c] for c in divmod(int(pairs[most]), C))
    return Finding(
        "P115",
        "Two labels are taken for each other",
        "info",
        f"{a!r} and {b!r} carry {100 * share:.0f} % of the {errors} errors.",
        "Look for a column that tells these two apart, or ask whether they should be two labels at all."
        if e.tabular
        else f"Look at the confused {e.items}: can a person tell them apart, and should they be two labels at all?",
    )


def labels_hide_what_is_known(e: Evidence) -> Finding | None:
    """Labels are right no more often than the most frequent one, though probabilities beat the shares of the labels.

    The gain in log loss must be over four standard errors (by chance: 1 in 30,000).
    """
    if e.probs is None or e.costs or len(e.observed) < 50:
        return None
    counts = np.bincount(e.observed, minlength=len(e.classes))
    right, most = float(np.mean(e.observed == e.predicted)), counts.max() / counts.sum()
    if right > most:
        return None
    gain = np.log(np.maximum(_truth(e.probs, e.observed), 1e-15)) - np.log(counts[e.observed] / counts.sum())
    if gain.mean() <= 4 * gain.std() / np.sqrt(len(gain)) or gain.mean() <= 0:
        return None
    return Finding(
        "P116",
        "The labels hide what the probabilities know",
        "warning",
        f"{100 * right:.1f} % of the labels are right, and always saying {e.classes[int(counts.argmax())]!r} gives "
        f"{100 * most:.1f} %; but the probabilities gain {gain.mean():.3f} nats a {e.item} over the plain shares.",
        f"Use the probabilities, to rank {e.items} or to act at a threshold: --cost sets it by what mistakes cost.",
    )


def doubtful_labels(e: Evidence) -> Finding | None:
    """More errors with at most 2 % for the truth than calibrated probabilities allow (by chance: 1 in 10,000).

    Only where the probabilities are calibrated as a whole: else the method is to blame, not the labels.
    """
    if e.probs is None or uncalibrated(e) is not None:
        return None
    found = int(np.sum(_truth(e.probs, e.observed) <= SURE))
    expected = float(np.where(e.probs <= SURE, e.probs, 0.0).sum())
    if found < 5 or stats.poisson.sf(found - 1, expected) > 1e-4:
        return None
    return Finding(
        "P117",
        "Some labels may be wrong",
        "warning",
        f"{found} {e.items} have a label that was given at most {100 * SURE:.0f} %, where {expected:.1f} were to be "
        "expected; otherwise the probabilities keep their word.",
        "Look at them under 'Errors worth a look': a wrong label is mended by hand, a special case wants "
        + ("a column." if e.tabular else f"more {e.items} like it."),
    )


def _stated(P: np.ndarray, observed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities to hold to their word, and whether it happened: of the second of two labels, or of the top one."""
    if P.shape[1] == 2:
        return P[:, 1], (observed == 1).astype(float)
    return P.max(1), (observed == P.argmax(1)).astype(float)


def _truth(P: np.ndarray, observed: np.ndarray) -> np.ndarray:
    return P[np.arange(len(observed)), observed]


def _area(e: Evidence) -> float | None:
    """Area under the ROC curve of two labels with at least 50 rows each: the chance of a right order."""
    if e.probs is None or e.probs.shape[1] != 2:
        return None
    n = np.bincount(e.observed, minlength=2)
    if n.min() < 50:
        return None
    ranks = stats.rankdata(e.probs[:, 1])
    return float((ranks[e.observed == 1].sum() - n[1] * (n[1] + 1) / 2) / (n[0] * n[1]))


CHECKS: tuple[Check, ...] = (
    too_good,
    rare_not_found,
    uncalibrated,
    few_rows_of_a_label,
    never_predicted,
    confused_pair,
    labels_hide_what_is_known,
    doubtful_labels,
)
