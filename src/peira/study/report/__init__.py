"""The report: one offline HTML file that says what was learned, how sure that is, and what to do next.

`render` is a pure function of a dict of JSON values (``report.json``), so a report can be made again from its run at
any time, by anybody. Every part may be missing: its section is left out, with a line that says why where a reader would
look for it. Numbers that are not finite are shown as a dash. Texts are shown as text, whatever they hold.

==================  ==================================================================================================
key                 value
==================  ==================================================================================================
``peira``           version of the library
``created``         when, as text (ISO 8601)
``run``             name of the run
``source``          where the data came from
``task``            name of the task, such as ``"regression"``
``target``          name of the column to be predicted; without one, ``question``: what was asked, in words
``measure``         ``name, title, better ("lower" or "higher"), units, range [low, high]``
``item``            what was learned from, in the singular: ``"row"`` (without it), ``"image"``
``rows, columns``   size of the table; of other data ``rows`` is how many there are
``seed, seconds``   seed of the run, seconds that it took
``complete``        False when the run ended early; ``stopped``: None, ``"budget"`` or ``"interrupted"``
``absent``          ``{section: reason}`` for sections that could not be made (the keys below); optional
``verdict``         ``sentence``; ``task, experience, performance``: the problem in words; ``score, interval, level``;
                    ``baseline {method, title, score, interval}``; ``gain, gain_interval``: improvement over the
                    baseline in the measure's units, positive when better; ``clear_winner`` (bool), ``tied_with`` (ids
                    or titles); ``next``: sentences; ``best``: id of the winner (else the best score wins);
                    ``test {rows, score, interval}``: on a table held out by the caller; ``plain {title, value,
                    interval, baseline}``: a share of rows in everyday terms, and that of the most frequent label;
                    ``figures``: list of ``name, value, detail``: further ones, as text
``diagnosis``       list of ``code, title, severity ("info", "warning", "problem"), evidence, fix``; an empty list
                    says that all checks passed
``leaderboard``     list of ``id, method, title, score, interval, fold_scores, fit_seconds, predict_seconds, params``,
                    ``status ("ok", "failed", "skipped"), reason, baseline`` (bool) and ``difference``: ``mean`` and
                    ``interval``: by how much the row is worse than the best (positive: worse, whatever the measure's
                    direction), and the probabilities that the best is in practice ``better, equivalent, worse``
``data``            ``decisions`` (sentences), ``duplicates`` (rows), ``columns``: list of ``name, role, kind,
                    reason,`` ``missing, unique, summary``, the latter of ``min, max, mean, std, quartiles [q1,
                    median, q3],`` ``histogram {edges, counts}, levels [[name, count], ...]`` (the commonest first)
``performance``     ``measures``: list of ``name, title, value, interval, units, better``; ``observed, predicted``
                    and, with prediction intervals, ``low, high, level``: rows not seen in fitting (at most 2,000 are
                    drawn); ``calibration {nominal, empirical, rows, whose}``: shares between 0 and 1, on how
                    many rows, and whose intervals they are, in words. Of labels: ``labels``: the first names;
                    ``confusion {labels, counts}``: true labels in rows; ``classes``: list of ``label, support,
                    precision, recall, f1``; ``curves``: list of ``label, share, fpr, tpr, auc, auc_interval,
                    precision, recall, average_precision``; ``reliability {of, predicted, observed, low, high,
                    share}``; ``threshold {label, stated, costs [wrongly said, missed], thresholds, cost, used, best
                    {threshold, cost, precision, recall}}``; ``regions {x, y, codes, top, points, labels,
                    directions}``: decided classes and their probabilities on a grid, and rows upon it
``pictures``        of images (or what ``of`` calls them), PNG files as base64: ``size, by`` (words); ``samples``: list
                    of ``label, count, pictures``, the latter of ``png, name``, with ``samples_left_out``; ``augmented
                    {words, rows}``: for some images themselves and what learning makes of them; ``confusions``: list
                    of ``observed, predicted, count, of, pictures``
``looks``           ``figures``: list of ``title, caption, png``; ``texts``: list of ``title, caption, lines``;
                    ``tables``: list of ``title, caption, head, rows``
``structure``       what was found where there is no target: ``map {points, codes, names}`` or ``map {points, values,
                    title, flagged, flag}`` with ``axes`` (words), ``shares, of, rows``; ``choice {title, measure,
                    numbers, scores, chosen, nothing {kind: [mean, most]}}``; ``scree {variances, noise, chosen}``;
                    ``profiles``: list of ``name, rows, share, words`` (phrases), ``profiles_left_out``;
                    ``loadings``: list of ``name, share, words``; ``tables``: list of ``title, caption, said`` (heads)
                    and ``rows``: list of ``row, said`` (as many), ``values {column: value}``; ``others``: list of
                    ``title, alike``, with ``others_title, others_caption``
``learning``        ``sizes``: rows learned from; ``train, validation``: for each size the list of fold scores;
                    ``sentence``: what more data would bring; ``doubling``: the score expected with twice the rows;
                    ``history {name: [values]}, history_of``: the fit's steps; ``net``: how a net learned: ``name``
                    of its loss, ``updates`` of the weights, ``loss`` and learning ``rate`` there; ``aside,
                    aside_loss``: updates after which what was put aside was measured, and its loss; ``judged``: by
                    what the weights after update ``best`` were chosen; ``made, epoch``: updates in all, and of one
                    pass over the data; ``stopped, nets``: why it ended, and of how many nets it is the last
``explanation``     ``coefficients``: list of ``name, value, low, high``; ``importance``: list of ``name, mean, low,``
                    ``high`` over several shuffles (positive: worse without); ``note``
``errors``          list of ``row, observed, predicted, low, high, values {column: value}``, the worst first; of
                    labels: ``probability`` (of the predicted label) and ``truth`` (of the true one) for the interval;
                    of images ``picture`` (base64 of a PNG) for the values
``method_page``     ``title``; ``text``: a docstring in reStructuredText; ``card`` (dict); ``parameters``: list of
                    ``name, value, default, doc``
``reproduce``       ``command, python, environment`` (dict)``, data_sha256, splits``
==================  ==================================================================================================
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

__all__ = ["render"]


def render(report: dict, path: str | os.PathLike[str]) -> Path:
    """Write the report as one HTML file.

    Parameters
    ----------
    report : dict
        JSON values as listed above. It is not changed.
    path : str or path
        The file to write; its folder must exist. A file already there is replaced in one step, so that a reader never
        meets half a report.

    Returns
    -------
    Path
        `path`.

    Raises
    ------
    TypeError
        If `report` is no dict.
    OSError
        If the file cannot be written; nothing is left behind.

    Notes
    -----
    Takes about two seconds, nearly all of it in drawing, and gives less than 3 MB whatever the size of the table.
    The same dict gives the same bytes.

    Examples
    --------
    >>> import tempfile
    >>> folder = tempfile.mkdtemp()
    >>> render({"target": "price", "rows": 3}, folder + "/report.html").name
    'report.html'
    """
    if not isinstance(report, dict):
        raise TypeError(f"report must be a dict, got {type(report).__name__}")
    from peira.study.report.page import page  # matplotlib and jinja2 are loaded when there is something to draw

    html = page(report)
    path = Path(path)
    draft = path.with_name(f".report-{secrets.token_hex(8)}.tmp")
    try:
        with open(draft, "x", encoding="utf-8", newline="\n") as file:
            file.write(html)
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)
    return path
