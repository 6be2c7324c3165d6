"""The table of tasks: what each task of the field implies, in one place.

Kinds, splitting, measuring, the main job, the contract tests and the report read from here;
none of them holds a list of tasks of its own.
"""

from dataclasses import dataclass
from typing import Literal

from .errors import DataError, closest


@dataclass(frozen=True, slots=True)
class Task:
    """What a task implies.

    Parameters
    ----------
    name : str
    question : str
        What is asked, in words.
    verbs : tuple of str
        The verbs that answer it; the first is the one that is measured.
    target : str
        "number", "label", "labels" (a set of them), "sequence" or "none": what stands beside each item.
    measure : str
        Name of the default measure.
    resampling : str
        How experience is split when nothing else is said.
    baseline : str
        Name of the method that learns nothing from the inputs.
    example : str
        Bundled data on which the contract tests run.
    """

    name: str
    question: str
    verbs: tuple[str, ...]
    target: Literal["number", "label", "labels", "sequence", "none"]
    measure: str
    resampling: str
    baseline: str
    example: str


TASKS: dict[str, Task] = {
    task.name: task
    for task in (
        Task(
            "regression",
            "which number belongs to these inputs?",
            ("predict", "predict_dist"),
            "number",
            "rmse",
            "k-fold",
            "MeanRegressor",
            "diabetes",
        ),
        Task(
            "classification",
            "which label belongs to these inputs?",
            ("predict", "predict_dist"),
            "label",
            "log_loss",
            "stratified k-fold",
            "PriorClassifier",
            "iris",
        ),
        Task(
            "multilabel",
            "which labels, any number of them, belong to these inputs?",
            ("predict", "predict_dist"),
            "labels",
            "log_loss",
            "k-fold",
            "PriorClassifier",
            "iris",
        ),
        Task(
            "clustering",
            "which items belong together?",
            ("fit_predict", "predict"),
            "none",
            "silhouette",
            "halves",
            "",
            "iris",
        ),
        Task(
            "density",
            "how likely is an item?",
            ("log_prob", "sample"),
            "none",
            "log_likelihood",
            "k-fold",
            "",
            "iris",
        ),
        Task(
            "anomaly",
            "which items are unlike the others?",
            ("predict", "log_prob"),
            "none",
            "agreement",
            "halves",
            "",
            "iris",
        ),
        Task(
            "reduction",
            "which few numbers describe an item?",
            ("fit_transform", "transform", "inverse_transform"),
            "none",
            "reconstruction",
            "k-fold",
            "",
            "digits",
        ),
        Task(
            "representation",
            "which numbers describe an item so that it is easier to learn from?",
            ("transform", "inverse_transform"),
            "none",
            "reconstruction",
            "k-fold",
            "",
            "digits",
        ),
        Task(
            "tagging",
            "which label belongs to each step of a sequence?",
            ("predict", "predict_dist"),
            "label",
            "log_loss",
            "k-fold",
            "FrequentLabel",
            "iris",
        ),
        Task(
            "translation",
            "which sequence belongs to this one?",
            ("predict",),
            "sequence",
            "accuracy",
            "k-fold",
            "",
            "iris",
        ),
        Task(
            "forecasting",
            "how does a series go on?",
            ("predict", "predict_dist"),
            "none",
            "rmse",
            "rolling origin",
            "SeasonalNaive",
            "diabetes",
        ),
        Task(
            "language",
            "which symbol comes next?",
            ("log_prob", "predict_dist", "sample"),
            "none",
            "bits",
            "k-fold",
            "IndependentSymbols",
            "iris",
        ),
    )
}


def get_task(name: str) -> Task:
    """The task of that name; raises `DataError` with the nearest one and the choices."""
    if name not in TASKS:
        raise DataError(f"unknown task {name!r}; {closest(name, TASKS)}")
    return TASKS[name]
