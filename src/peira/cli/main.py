"""The commands and their options; what they do lives in `peira.study` and is imported when one runs."""

import os
import sys
from enum import StrEnum
from typing import Annotated

import typer

app = typer.Typer(
    name="peira",
    help="Learn from data: which method learns best, how well, how sure, and why.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Source = Annotated[
    str,
    typer.Argument(
        metavar="SOURCE",
        help="csv, tsv, parquet, jsonl or npz (plain or .gz), '-' for stdin, or example:NAME (iris, diabetes, wine, "
        "breast_cancer, digits, linnerud). Images: a folder with a sub-folder for each class, npz with images and "
        "labels, or idx files as MNIST's (name the one of the images; the labels are found beside it)",
        show_default=False,
    ),
]
Target = Annotated[
    str | None, typer.Option("-y", "--target", help="The column to predict (of images in npz: the array of labels).")
]
SkipDamaged = Annotated[
    bool,
    typer.Option(
        "--skip-damaged",
        help="Of a folder of images or recordings: leave out files that cannot be used, and say which.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]


class Task(StrEnum):
    """Tasks that the command line accepts."""

    auto = "auto"
    regression = "regression"
    classification = "classification"
    multilabel = "multilabel"
    clustering = "clustering"
    density = "density"
    anomaly = "anomaly"
    reduction = "reduction"
    tagging = "tagging"
    forecast = "forecast"
    language = "language"


class Calibration(StrEnum):
    """How probabilities are corrected."""

    sigmoid = "sigmoid"
    isotonic = "isotonic"
    temperature = "temperature"


@app.callback(invoke_without_command=True)
def root(version: Annotated[bool, typer.Option("--version", help="Print the version and stop.")] = False) -> None:
    if version:
        import peira

        print(f"peira {peira.__version__}")
        raise typer.Exit


@app.command()
def learn(
    source: Annotated[str | None, Source.__metadata__[0]] = None,
    target: Target = None,
    task: Annotated[
        Task,
        typer.Option(
            help="What is asked; auto reads it off the data. Without a target: clustering, density, anomaly, "
            "reduction, forecast."
        ),
    ] = Task.auto,
    measure: Annotated[
        str | None,
        typer.Option("-M", "--measure", help="What counts, such as rmse, r2, log_loss, accuracy, roc_auc, silhouette."),
    ] = None,
    methods: Annotated[str, typer.Option(help="'all', or names separated by commas (see: peira methods).")] = "all",
    budget: Annotated[
        str | None, typer.Option(help="Time for the search, such as 90s, 5m or 1h; of images, for search and last fit.")
    ] = None,
    trials: Annotated[int, typer.Option(min=1, help="The most settings that each method may try.")] = 8,
    cv: Annotated[
        str,
        typer.Option(
            help="Folds: a number, 'holdout' (one part is judged once), 'time:COLUMN' (later rows are tested) or "
            "'group:COLUMN' (groups stay whole). auto: 5, and a hold-out for 10,000 images or more."
        ),
    ] = "auto",
    test: Annotated[
        str | None, typer.Option(help="Further data (a table, images) on which the winner is measured once.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same leaderboard.")] = 0,
    jobs: Annotated[int, typer.Option(help="Processes; -1 is one for each core where the work is worth it.")] = -1,
    output: Annotated[
        str | None, typer.Option("-o", "--output", help="Folder of the run (default: runs/NAME).")
    ] = None,
    resume: Annotated[str | None, typer.Option(help="Go on with a run that was cut short.")] = None,
    require: Annotated[
        list[str] | None, typer.Option(help="Exit with 4 unless the score meets this, such as 'rmse<=60'.")
    ] = None,
    kind: Annotated[list[str] | None, typer.Option(help="Override a column's kind, such as 'zip=categorical'.")] = None,
    cost: Annotated[
        list[str] | None,
        typer.Option(help="What a mistake costs, such as 'ill:healthy=10' (said healthy of one who is ill); else 1."),
    ] = None,
    calibrate: Annotated[
        Calibration | None, typer.Option(help="Correct the probabilities on rows that the method did not see.")
    ] = None,
    judge: Annotated[
        str | None,
        typer.Option(help="A column of labels to compare with what a task without a target finds; it is no input."),
    ] = None,
    sequence: Annotated[
        str | None, typer.Option(help="Of a long table: the column that says which rows are one sequence.")
    ] = None,
    time: Annotated[str | None, typer.Option(help="Of a long table: the column that orders the rows.")] = None,
    horizon: Annotated[int | None, typer.Option(min=1, help="Of a forecast: how many steps ahead.")] = None,
    unit: Annotated[str | None, typer.Option(help="Of a text: characters, words, spaces or subwords.")] = None,
    skip_damaged: SkipDamaged = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would run, and stop.")] = False,
    json: AsJson = False,
) -> None:
    """Compare every suitable method on a table, on images, on sequences or on a text, and report."""
    from . import commands

    commands.learn(
        source=source, target=target, task=task.value, measure=measure, methods=methods, budget=budget, trials=trials,
        cv=cv, test=test, seed=seed, jobs=jobs, output=output, resume=resume, require=require or [], kinds=kind or [],
        costs=cost or [], calibration=None if calibrate is None else calibrate.value, judge=judge,
        sequence=sequence, time=time, horizon=horizon, unit=unit, skip_damaged=skip_damaged,
        dry_run=dry_run, as_json=json,
    )  # fmt: skip


@app.command()
def predict(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A run or a stored model.", show_default=False)],
    source: Source,
    output: Annotated[str | None, typer.Option("-o", "--output", help="A csv file to write (default: stdout).")] = None,
    interval: Annotated[
        float | None, typer.Option(help="Also give the interval that holds this share of new targets.")
    ] = None,
    proba: Annotated[bool, typer.Option("--proba", help="Probabilities of each label (classification).")] = False,
    skip_damaged: SkipDamaged = False,
) -> None:
    """Say of each row or image what the model says of it: the target, a cluster, a score, a code."""
    from . import commands

    commands.predict(model, source, output=output, level=interval, proba=proba, skip_damaged=skip_damaged)


@app.command()
def compare(
    models: Annotated[
        list[str], typer.Argument(metavar="RUN|MODEL...", help="Runs or stored models.", show_default=False)
    ],
    on: Annotated[
        str | None, typer.Option(help="A table with the target, or images with labels, on which all are measured.")
    ] = None,
    target: Target = None,
    measure: Annotated[str | None, typer.Option("-M", "--measure")] = None,
    json: AsJson = False,
) -> None:
    """Compare models on the same rows, with intervals on the differences."""
    from . import commands

    commands.compare(models, on=on, target=target, measure=measure, as_json=json)


@app.command()
def report(
    run: Annotated[str, typer.Argument(metavar="RUN", show_default=False)],
    open_: Annotated[bool, typer.Option("--open", help="Show it in the browser.")] = False,
) -> None:
    """Write a run's report anew from what the run holds, and print its path."""
    from . import commands

    commands.report(run, show=open_)


@app.command()
def diagnose(run: Annotated[str, typer.Argument(metavar="RUN", show_default=False)], json: AsJson = False) -> None:
    """Show what was found wrong with a run, with evidence and remedies."""
    from . import commands

    commands.diagnose(run, as_json=json)


@app.command()
def explain(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A run or a stored model.", show_default=False)],
    source: Annotated[
        str | None,
        typer.Argument(
            metavar="SOURCE",
            help="A table whose predictions are explained. Left out: what the report of the run says, or with --row a "
            "row of the run's own data.",
            show_default=False,
        ),
    ] = None,
    row: Annotated[
        int | None,
        typer.Option(min=1, help="Explain the prediction for this row alone; rows are counted from 1, without a head."),
    ] = None,
    output: Annotated[
        str | None,
        typer.Option(
            "-o", "--output", help="Folder for words, table and picture (default: in the folder explain of the run)."
        ),
    ] = None,
    json: AsJson = False,
) -> None:
    """Show which columns a model relies on, or why one row gets its prediction."""
    from . import explaining

    explaining.explain(model, source, row=row, output=output, as_json=json)


@app.command()
def methods(
    name: Annotated[str | None, typer.Argument(metavar="NAME", show_default=False)] = None,
    task: Annotated[str | None, typer.Option(help="Only methods for this task.")] = None,
    json: AsJson = False,
) -> None:
    """List the methods, or show the page of one."""
    from . import describing

    describing.methods(name, task=task, as_json=json)


@app.command()
def data(source: Source, target: Target = None, json: AsJson = False) -> None:
    """Say what is in a table, among images or recordings, or in a text, and what was decided."""
    from . import describing

    describing.data(source, target=target, as_json=json)


@app.command()
def doctor(json: AsJson = False) -> None:
    """Check that Peira works on this machine, and say what it runs on."""
    from . import describing

    describing.doctor(as_json=json)


def main() -> None:
    """Run a command; every error becomes a sentence and an exit code."""
    code: int | str | None = 0
    try:
        app()
    except SystemExit as ended:  # typer has shown help, the version or a mistake in the words of the command
        code = 130 if isinstance(ended.__context__, typer.Abort) else ended.code
    except BaseException as error:
        from .ending import exit_code

        code = exit_code(error)
    try:
        sys.stdout.flush()
    except BrokenPipeError:  # `peira methods | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(code)
