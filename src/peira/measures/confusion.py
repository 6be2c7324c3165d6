r"""The confusion matrix: who was taken for whom.

.. math:: n_{jk} = \sum_i w_i\, 1\{y_i = j\}\, 1\{f_i = k\}

Rows are what was observed, columns what was predicted. Everything that is said of predicted labels alone is
read off this table. Divided by its rows it says what became of each class (recall on the diagonal); divided by its
columns, what a predicted label is worth (precision on the diagonal).
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ..core.axes import axes_for
from ..core.errors import DataError, ParameterError
from ..core.text import printable
from .arrays import weights
from .labels import label_codes, positions

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Normalize = Literal["true", "pred", "all"]


def confusion_matrix(
    y: Any,
    predicted: Any,
    *,
    labels: Any = None,
    sample_weight: Any = None,
    normalize: Normalize | None = None,
) -> np.ndarray:
    """Counts of observed (rows) and predicted (columns) labels.

    Parameters
    ----------
    y, predicted : arrays of shape (N,)
        Labels: texts, whole numbers or truth values.
    labels : array of shape (C,), optional
        Which labels, in which order; items with another label on either side are left out. By default all, sorted.
    sample_weight : array of shape (N,), optional
    normalize : "true", "pred", "all" or None
        Divide by the sums of rows, of columns, or by the whole. A row or column without items stays zero.

    Returns
    -------
    ndarray of shape (C, C)
        Whole numbers, or float64 with weights or ``normalize``.

    Raises
    ------
    DataError
        If the two differ in length, a label is missing, or none of ``labels`` is observed.

    Notes
    -----
    N log N steps. The same as scikit-learn's function.

    Examples
    --------
    >>> from peira.measures import confusion_matrix
    >>> confusion_matrix(["no", "no", "yes", "yes"], ["no", "yes", "yes", "yes"])
    array([[1, 1],
           [0, 2]])
    """
    return ConfusionMatrix.of(y, predicted, labels=labels, sample_weight=sample_weight).normalized(normalize)


@dataclass(frozen=True, repr=False)
class ConfusionMatrix:
    """A confusion matrix to look at.

    Parameters
    ----------
    counts : array of shape (C, C)
        Rows observed, columns predicted.
    labels : array of shape (C,)

    Examples
    --------
    >>> from peira.measures import ConfusionMatrix
    >>> print(ConfusionMatrix.of(["no", "no", "yes", "yes"], ["no", "yes", "yes", "yes"]))
    observed | predicted     no    yes  | all  recall
    no                        1      1  |   2   0.500
    yes                       0      2  |   2   1.000
    all                       1      3  |   4
    precision             1.000  0.667
    """

    counts: np.ndarray
    labels: np.ndarray = field(compare=False)

    @classmethod
    def of(cls, y: Any, predicted: Any, *, labels: Any = None, sample_weight: Any = None) -> "ConfusionMatrix":
        """The matrix of observed and predicted labels; parameters as in `confusion_matrix`."""
        t, f, classes = label_codes(y, predicted)
        w = None if sample_weight is None else weights(sample_weight, len(t))
        if labels is not None:
            place = positions(labels, classes)
            if not np.isin(t, place).any():
                raise DataError(f"not one of the labels {np.asarray(labels).tolist()[:20]!r} is in y")
            new = np.full(len(classes), -1)
            new[place[place >= 0]] = np.flatnonzero(place >= 0)
            t, f, classes = new[t], new[f], np.asarray(labels)
            inside = (t >= 0) & (f >= 0)
            t, f, w = t[inside], f[inside], None if w is None else w[inside]
        C = len(classes)
        return cls(np.bincount(t * C + f, w, minlength=C * C).reshape(C, C), classes)

    def normalized(self, by: Normalize | None = "true") -> np.ndarray:
        """The matrix (C, C) divided by the sums of its rows ("true"), of its columns ("pred"), or by the whole."""
        n = self.counts
        if by is None:
            return n
        sums = {"true": n.sum(1, keepdims=True), "pred": n.sum(0, keepdims=True), "all": n.sum(keepdims=True)}
        if by not in sums:
            raise ParameterError(f"normalize is 'true', 'pred', 'all' or None, got {by!r}")
        return np.divide(n, sums[by], out=np.zeros(n.shape), where=sums[by] > 0)

    def __str__(self) -> str:
        """The table in plain text, with sums, recall and precision; of the largest 20 classes if there are more."""
        shown = np.sort(np.argsort(-self.counts.sum(1), kind="stable")[:20])
        names = [printable(str(label), 16) for label in self.labels[shown].tolist()]
        recall, precision = self.normalized("true").diagonal()[shown], self.normalized("pred").diagonal()[shown]
        n, by_row, by_column = self.counts[np.ix_(shown, shown)], self.counts.sum(1)[shown], self.counts.sum(0)[shown]
        totals = [f"{total:.10g}" for total in (*by_row, self.counts.sum())]
        wide = max(3, *map(len, totals))
        table = [["observed | predicted", *names, f"| {'all':>{wide}}", "recall"]]
        table += [
            [name, *(f"{v:.10g}" for v in row), f"| {total:>{wide}}", f"{share:.3f}"]
            for name, row, total, share in zip(names, n, totals[:-1], recall, strict=True)
        ]
        table += [["all", *(f"{v:.10g}" for v in by_column), f"| {totals[-1]:>{wide}}", ""]]
        table += [["precision", *(f"{v:.3f}" for v in precision), "", ""]]
        text = _aligned(table)
        left_out = len(self.labels) - len(shown)
        return f"{text}\n(the largest {len(shown)} classes; {left_out} more are in the sums)" if left_out else text

    def __repr__(self) -> str:
        return f"ConfusionMatrix of {len(self.labels)} labels\n{self}"

    def plot(self, ax: "Axes | None" = None, normalize: Normalize | None = "true") -> "Axes":
        """Draw the matrix: shades by ``normalize``, counts as numbers (up to 30 classes).

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; a new figure if left out.
        normalize : "true", "pred", "all" or None

        Returns
        -------
        Axes
        """
        ax = axes_for(ax, 6.4, 4.8)
        C, shade = len(self.labels), self.normalized(normalize)
        top = max(float(shade.max(initial=0)), 1e-300)
        ax.imshow(shade / top, cmap="Blues", vmin=0, vmax=1)
        if C <= 30:
            names = [printable(str(label), 16) for label in self.labels.tolist()]
            ax.set_xticks(range(C), names, rotation=0 if C <= 6 else 90)
            ax.set_yticks(range(C), names)
            for j, k in np.ndindex(C, C):
                colour = "white" if shade[j, k] > 0.6 * top else "black"
                ax.text(k, j, f"{self.counts[j, k]:.10g}", ha="center", va="center", color=colour)
        ax.set_xlabel("predicted")
        ax.set_ylabel("observed")
        return ax


def _aligned(table: list[list[str]]) -> str:
    """Rows of cells as text: the first column to the left, all others to the right."""
    widths = [max(len(row[k]) for row in table) for k in range(len(table[0]))]
    lines = [
        "  ".join([row[0].ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(row[1:], widths[1:], strict=True))])
        for row in table
    ]
    return "\n".join(line.rstrip() for line in lines)
