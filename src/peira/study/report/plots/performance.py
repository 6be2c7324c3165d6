"""How good the predictions are: against the truth, in their errors, and in their intervals."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from matplotlib.ticker import NullLocator
from scipy import stats

from peira.study.report.figures import count, number, percent
from peira.study.report.plots.panel import Panel
from peira.study.report.svg import ACCENT, BAND, INK, PAPER, SECOND, SOFT, Canvas, Ticks

POINTS = 2000
_SIZE = (430, 330)


@dataclass(frozen=True)
class Predictions:
    """Rows that were predicted by models that had not seen them. Rows with anything not finite are left out."""

    target: str
    observed: np.ndarray
    predicted: np.ndarray
    low: np.ndarray | None = None
    high: np.ndarray | None = None
    level: float | None = None
    nominal: np.ndarray = field(default_factory=lambda: np.empty(0))
    empirical: np.ndarray = field(default_factory=lambda: np.empty(0))
    rows: int | None = None
    """How many rows the coverage was counted on."""
    whose: str = ""
    """Whose intervals were counted, in words."""

    @property
    def residual(self) -> np.ndarray:
        """Observed minus predicted."""
        return self.observed - self.predicted

    @property
    def missed(self) -> np.ndarray | None:
        """Where the interval does not hold the observed value."""
        return None if self.low is None else (self.observed < self.low) | (self.observed > self.high)


def performance(p: Predictions) -> list[Panel]:
    """All the panels for which there are data."""
    panels = []
    if len(p.observed) >= 2:
        panels = [_observed(p), _residual(p), _distribution(p), _quantiles(p)]
    panels += [_coverage(p), _sharpness(p)]
    return [panel for panel in panels if panel is not None]


def _scatter(canvas: Canvas, x: np.ndarray, y: np.ndarray, ink: str = ACCENT) -> None:
    alpha = float(np.clip(10 / np.sqrt(max(len(x), 1)), 0.3, 0.8))
    canvas.axes.plot(x, y, "o", color=ink, alpha=alpha, ms=4, mew=0)


def _span(*values: np.ndarray) -> tuple[float, float]:
    low, high = min(float(v.min()) for v in values), max(float(v.max()) for v in values)
    pad = 0.04 * (high - low) or 0.05 * abs(high) or 1.0
    return low - pad, high + pad


def _observed(p: Predictions) -> Panel:
    canvas = Canvas("po", *_SIZE)
    canvas.label(x="predicted", y="observed")
    low, high = _span(p.observed, p.predicted)
    canvas.axes.set(xlim=(low, high), ylim=(low, high))
    caption = f"{count(len(p.observed))} rows, each predicted by a model that had not seen it. On the line: right."
    missed = p.missed
    if missed is None:
        _scatter(canvas, p.predicted, p.observed)
    else:
        _scatter(canvas, p.predicted[~missed], p.observed[~missed])
        _scatter(canvas, p.predicted[missed], p.observed[missed], SECOND)
        share = percent(missed.mean())
        aim = f" ({percent(1 - p.level)} are expected to)" if p.level is not None else ""
        caption += f" Orange: the {share} that fall outside their prediction interval{aim}."
    canvas.axes.plot([low, high], [low, high], color=INK, lw=1)
    return Panel(canvas.svg("Scatter plot of observed against predicted values"), "Predicted and observed", caption)


def _residual(p: Predictions) -> Panel:
    canvas = Canvas("pr", *_SIZE)
    canvas.label(x="predicted", y="residual (observed − predicted)")
    _scatter(canvas, p.predicted, p.residual)
    canvas.axes.axhline(0, color=INK, lw=1)
    caption = "Without structure is good. A bend means a missing curve, a funnel an error that grows with the value."
    groups = _groups(p.predicted)
    if groups:
        x = [np.median(p.predicted[g]) for g in groups]
        quantiles = np.array([np.quantile(p.residual[g], (0.1, 0.5, 0.9)) for g in groups]).T
        for quantile, width in zip(quantiles, (1.1, 2.4, 1.1), strict=True):
            canvas.axes.plot(x, quantile, color=SECOND, lw=width)
        caption += " Thick line: running median; four rows of five lie between the thin ones."
    canvas.axes.set(xlim=_span(p.predicted), ylim=_span(p.residual))
    return Panel(canvas.svg("Scatter plot of residuals against predicted values"), "Residuals", caption)


def _groups(x: np.ndarray) -> list[np.ndarray]:
    """Indices of rows in groups of like `x`, at least 40 a group; none where they would be too few to show a course."""
    n = min(len(x) // 40, 16)
    return np.array_split(np.argsort(x, kind="stable"), n) if n >= 4 and np.ptp(x) > 0 else []


def _distribution(p: Predictions) -> Panel:
    r = p.residual
    canvas = Canvas("pd", *_SIZE, left=20)
    canvas.label(x="residual (observed − predicted)")
    canvas.axes.yaxis.set_major_locator(NullLocator())
    low, high = np.quantile(r, (0.005, 0.995)) if len(r) >= 200 else (r.min(), r.max())
    if not low < high:
        low, high = r.mean() - 1, r.mean() + 1
    bins = int(np.clip(np.sqrt(len(r)), 6, 40))
    counts, edges = np.histogram(r[(r >= low) & (r <= high)], bins=bins, range=(low, high))
    canvas.axes.stairs(counts, edges, fill=True, color=ACCENT, alpha=0.45, lw=0)
    caption = f"Mean {number(r.mean(), 3)}, standard deviation {number(r.std(), 3)}."
    if (scale := r.std()) > 0:
        x = np.linspace(low, high, 161)
        density = stats.norm.pdf(x, r.mean(), scale) * len(r) * (edges[1] - edges[0])
        canvas.axes.plot(x, density, color=INK, lw=1.4)
        caption += " Line: the normal distribution of the same mean and spread."
    if (hidden := int(((r < low) | (r > high)).sum())) > 0:
        caption += f" {count(hidden)} extreme rows lie beyond the edges."
    canvas.axes.axvline(0, color=SOFT, lw=1, dashes=(3, 3))
    canvas.axes.set_ylim(0, None)
    return Panel(canvas.svg("Histogram of the residuals with a normal curve"), "How the errors are spread", caption)


def _quantiles(p: Predictions) -> Panel | None:
    r = np.sort(p.residual)
    if len(r) < 8 or r.std() == 0:
        return None
    z = (r - r.mean()) / r.std()
    theory = stats.norm.ppf((np.arange(1, len(z) + 1) - 0.5) / len(z))
    # The middle is a line of touching dots anyway: keep every row in the tails and a selection between them.
    keep = np.unique(np.r_[:60, np.linspace(0, len(z) - 1, 200).astype(int), len(z) - 60 : len(z)].clip(0, len(z) - 1))
    canvas = Canvas("pq", *_SIZE)
    canvas.label(x="if the errors were normal", y="residual, in standard deviations")
    span = _span(theory)
    canvas.axes.plot(span, span, color=INK, lw=1)
    canvas.axes.plot(theory[keep], z[keep], "o", color=ACCENT, ms=4, mew=0, alpha=0.6)
    canvas.axes.set_xlim(span)
    kurtosis = float((z**4).mean())
    tails = "heavier" if kurtosis > 3.5 else "lighter" if kurtosis < 2.5 else "about as heavy"
    than = "as" if tails.startswith("about") else "than"
    caption = (
        f"Quantiles against those of a normal distribution. The tails are {tails} {than} a normal's "
        f"(kurtosis {number(kurtosis, 2)}, normal 3)."
    )
    return Panel(canvas.svg("Normal quantile plot of the residuals"), "Tails", caption)


def _coverage(p: Predictions) -> Panel | None:
    known = (
        np.isfinite(p.nominal) & np.isfinite(p.empirical) if len(p.nominal) == len(p.empirical) else np.zeros(0, bool)
    )
    if not known.any():
        return None
    nominal, empirical = 100 * p.nominal[known], 100 * p.empirical[known]
    canvas = Canvas("pc", *_SIZE)
    canvas.label(x="promised coverage", y="observed coverage")
    axes = canvas.axes
    axes.set(xlim=(0, 100), ylim=(0, 102))
    axes.xaxis.set_major_formatter(Ticks(" %"))
    axes.yaxis.set_major_formatter(Ticks(" %"))
    if p.rows:
        share = np.linspace(0, 1, 101)
        spread = 1.96 * np.sqrt(share * (1 - share) / p.rows)
        axes.fill_between(100 * share, 100 * (share - spread), 100 * (share + spread), color=BAND, alpha=0.2, lw=0)
    axes.plot([0, 100], [0, 100], color=INK, lw=1)
    axes.plot(nominal, empirical, color=ACCENT, lw=1.8)
    axes.plot(nominal, empirical, "o", color=ACCENT, mec=PAPER, mew=1, ms=6.5, clip_on=False)
    worst = int(np.abs(empirical - nominal).argmax())
    kind = "too narrow" if empirical[worst] < nominal[worst] else "too wide"
    caption = (
        f"How often an interval holds the truth. Largest gap: {number(nominal[worst], 3)} % promised, "
        f"{number(empirical[worst], 3)} % observed"
    )
    caption += f" (there the intervals are {kind})." if abs(empirical[worst] - nominal[worst]) >= 1 else "."
    if p.rows:
        caption += " Band: what chance alone allows."
    if p.whose:
        caption += f" The intervals are {p.whose}."
    return Panel(
        canvas.svg("Observed against promised coverage of the prediction intervals"),
        "Do intervals keep their promise?",
        caption,
    )


def _sharpness(p: Predictions) -> Panel | None:
    """Mean absolute error in groups of rows with like interval widths; None where all widths are much the same."""
    if p.low is None or p.high is None:
        return None
    width = p.high - p.low
    groups = _groups(width)
    if not groups or np.quantile(width, 0.9) < 1.05 * np.quantile(width, 0.1):
        return None
    x = [width[g].mean() for g in groups]
    error = np.abs(p.residual)
    mean = np.array([error[g].mean() for g in groups])
    spread = np.array([1.96 * error[g].std(ddof=1) / np.sqrt(len(g)) for g in groups])
    canvas = Canvas("ps", *_SIZE)
    canvas.label(x="width of the prediction interval", y="mean absolute error")
    canvas.axes.vlines(x, mean - spread, mean + spread, color=ACCENT, lw=2)
    canvas.axes.plot(x, mean, "o", color=ACCENT, mec=PAPER, mew=1.2, ms=7.5)
    canvas.axes.set_ylim(0, None)
    caption = (
        "If the dots climb, wider intervals mark rows that are really harder. "
        "Each dot: rows with intervals of like width, with its 95 % interval."
    )
    return Panel(
        canvas.svg("Mean absolute error against the width of the interval"),
        "Does it know what it does not know?",
        caption,
    )
