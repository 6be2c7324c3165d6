"""What each section says: from the report's dict, any part of which may be missing or odd, to what its template prints.

Every function gives None when there is nothing to show. Lists are bounded here, so that the page stays small.
"""

from peira.study.report.sections.common import Measure, absence, records, table, things
from peira.study.report.sections.comparison import diagnosis, leaderboard, verdict
from peira.study.report.sections.data import data
from peira.study.report.sections.looks import looks
from peira.study.report.sections.method import method, reproduce
from peira.study.report.sections.pictures import pictures
from peira.study.report.sections.results import errors, explanation, learning, performance
from peira.study.report.sections.structure import structure

__all__ = [
    "Measure", "absence", "data", "diagnosis", "errors", "explanation", "leaderboard", "learning", "looks", "method",
    "performance", "pictures", "records", "reproduce", "structure", "table", "things", "verdict",
]  # fmt: skip
