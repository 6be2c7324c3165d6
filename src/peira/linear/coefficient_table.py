r"""The table of coefficients: what each is, how well it is known, and whether it could be zero.

.. math:: t_j = b_j / s_j, \quad p_j = P(|T_\nu| \geq |t_j|), \quad b_j \pm t_{\nu, (1 + level)/2} \, s_j

with s the standard errors and T Student's distribution with nu degrees of freedom. The probabilities hold for
independent normal errors of equal variance, and for one coefficient looked at, not for the most striking of many.
"""

from dataclasses import dataclass, fields

import numpy as np
from scipy import stats


@dataclass(frozen=True, eq=False)
class CoefficientTable:
    """Estimates with standard errors; prints as an aligned table.

    Attributes
    ----------
    name : list of str
        "intercept" first, where there is one.
    estimate, std_error, t, p, low, high : list of float
        NaN where the data do not determine a value.
    note : str
        What the fit as a whole came to, in words.
    statistic : str
        "t", or "z" where the spread of the errors is known or their number counts as infinite.
    """

    name: list[str]
    estimate: list[float]
    std_error: list[float]
    t: list[float]
    p: list[float]
    low: list[float]
    high: list[float]
    note: str = ""
    statistic: str = "t"

    @classmethod
    def of(cls, names: list[str], estimate: np.ndarray, std_error: np.ndarray, df: float, level: float, note: str):
        """Compute t, p and the interval of probability ``level``."""
        with np.errstate(divide="ignore", invalid="ignore"):
            t = estimate / std_error
            reach = stats.t.ppf((1 + level) / 2, df) * std_error if df > 0 else np.full_like(std_error, np.nan)
            p = 2 * stats.t.sf(np.abs(t), df) if df > 0 else np.full_like(t, np.nan)
        columns = (estimate, std_error, t, p, estimate - reach, estimate + reach)
        return cls(names, *(c.tolist() for c in columns), note, "z" if df == np.inf else "t")

    def to_dict(self) -> dict[str, list]:
        """Column name -> list, for frames and JSON."""
        columns = [f.name for f in fields(self) if f.name not in ("note", "statistic")]
        return {self.statistic if name == "t" else name: list(getattr(self, name)) for name in columns}

    def __len__(self) -> int:
        return len(self.name)

    def __str__(self) -> str:
        table = self.to_dict()
        heads = ("", "estimate", "std error", self.statistic, "p", "low", "high")
        rows = [
            [name, *(f"{v:.4g}" for v in values[:3]), "< 1e-4" if values[3] < 1e-4 else f"{values[3]:.4f}"]
            + [f"{v:.4g}" for v in values[4:]]
            for name, *values in zip(*table.values(), strict=True)
        ]
        widths = [max(len(row[i]) for row in [heads, *rows]) for i in range(len(heads))]
        lines = [
            "  ".join(
                [row[0].ljust(widths[0])] + [c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True)]
            ).rstrip()
            for row in [heads, *rows]
        ]
        return "\n".join([*lines, self.note]) if self.note else "\n".join(lines)

    __repr__ = __str__
