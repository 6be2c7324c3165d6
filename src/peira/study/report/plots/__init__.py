"""The plots of the report: each takes plain numbers and gives `Panel` objects (drawing, title and caption)."""

from peira.study.report.plots.explanation import coefficients, importance
from peira.study.report.plots.leaderboard import leaderboard
from peira.study.report.plots.learning import Curve, history, learning_curve
from peira.study.report.plots.net_course import NetCourse, net_course
from peira.study.report.plots.panel import Panel
from peira.study.report.plots.performance import performance
from peira.study.report.plots.sparks import bar, histogram

__all__ = [
    "Curve", "NetCourse", "Panel", "bar", "coefficients", "histogram", "history", "importance", "leaderboard",
    "learning_curve", "net_course", "performance",
]  # fmt: skip
