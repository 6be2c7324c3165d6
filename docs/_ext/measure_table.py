"""The table of measures, from the measures themselves: ```` ```{measure-table} regression ````."""

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from peira.measures import Measure, measures_for


class MeasureTable(SphinxDirective):
    """All measures of the task that the argument names."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        lines = ["| name | what it is | good | range | unit | judges |", "|---|---|---|---|---|---|"]
        lines += [table_row(measure) for measure in measures_for(self.arguments[0])]
        return self.parse_text_to_nodes("\n".join(lines))


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("measure-table", MeasureTable)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def table_row(measure: Measure) -> str:
    """One row of the Markdown table."""
    good = f"near {measure.nominal:g}" if measure.better == "nominal" else measure.better
    low, high = (f"{bound:g}".replace("inf", "∞") for bound in measure.range)
    cells = (f"`{measure.name}`", measure.title, good, f"{low} to {high}", measure.units, f"`{measure.needs}`")
    return f"| {' | '.join(cells)} |"
