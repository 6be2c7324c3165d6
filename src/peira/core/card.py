"""A method's card: what its verbs and signatures cannot show."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Card:
    """The facts about a method that other parts of Peira and its users rely on.

    Parameters
    ----------
    tasks : str or tuple of str
        Names in the table of tasks (`peira.core.tasks.TASKS`).
    reference : str
        Author, year, and equation or algorithm number.
    cost : str
        Time of a fit in the letters N (items), D (features), K (outputs, components), T (steps), S (steps in all).
    exact : bool, default False
        A closed form or a finite algorithm: the answer does not depend on a tolerance.
    incremental : str, default ""
        What ``partial_fit`` promises: "equals one fit" or "approximate".
    sparse : bool, default False
        Takes SciPy sparse matrices without making them dense.
    missing : bool, default False
        Takes NaN in the inputs and knows what it means.
    multi_output : bool, default False
        Takes several targets at once.
    baseline : bool, default False
        Learns nothing from the inputs; every result is compared with it.
    linear_in_inputs : bool, default False
        Weighs the inputs as they are, so that basis functions widen what it can learn; the main
        job tries some.
    chooses_for : str, default ""
        Name of the method whose parameters this one chooses by itself (``RidgeCV`` for "Ridge").
        The main job then runs this one, and leaves the other out.
    wraps : bool, default False
        Learns by way of another method, which is one of its parameters. The main job does not list it by itself.
    on_request : str, default ""
        Why the main job runs the method only when it is named, such as "it takes minutes".
    data : "table", "images", "sequences" or "symbols", default "table"
        What it learns from; sequences are of vectors, or of symbols.
    largest : dict of str to int, optional
        Sizes beyond which the main job leaves the method out, such as ``{"D": 40}``: N rows, D columns (of basis
        functions too), C classes, or CD weights of all classes.
    """

    tasks: str | tuple[str, ...]
    reference: str
    cost: str = ""
    exact: bool = False
    incremental: str = ""
    sparse: bool = False
    missing: bool = False
    multi_output: bool = False
    baseline: bool = False
    linear_in_inputs: bool = False
    chooses_for: str = ""
    wraps: bool = False
    on_request: str = ""
    data: str = "table"
    largest: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if isinstance(self.tasks, str):
            object.__setattr__(self, "tasks", (self.tasks,))
        if self.incremental not in ("", "equals one fit", "approximate"):
            raise ValueError(
                f"a card's 'incremental' is '', 'equals one fit' or 'approximate', got {self.incremental!r}"
            )
