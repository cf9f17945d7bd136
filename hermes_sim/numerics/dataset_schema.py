"""What the file of a data set may say."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from hermes_sim.config.section import Section
from hermes_sim.errors import FieldError

Text = Annotated[str, Field(min_length=1)]
Label = int | float
Column = Annotated[int, Field(ge=0)]


class FirstRows(Section):
    """The first rows of the archive alone."""

    first: Annotated[int, Field(ge=1)]
    """How many; not with a split of kind `array`."""


class IndexColumn(Section):
    """Columns a to b - 1, one of which is 1 per row, become its position, counted from `start`."""

    one_hot_to_index: Annotated[list[Column], Field(min_length=2, max_length=2)]
    """Columns a to b - 1, as `[a, b]`, from 0."""
    start: int | float = 0
    """Number of the first of them."""


class Target(Section):
    """Labels of class 1, all others being class 0; or every label a class of its own."""

    positive: Annotated[list[Label], Field(min_length=1)] | None = None
    """Labels of class 1: some of those in `y`, not all; all others are class 0."""
    classes: Literal["all"] | None = None
    """Every label, a whole number, is a class of its own, in ascending order."""

    @model_validator(mode="after")
    def _one_of_both(self) -> Target:
        if (self.positive is None) == (self.classes is None):
            got = "nothing" if self.positive is None else "classes and positive"
            raise FieldError("", got=got, allowed="positive: a list of labels, or classes: all")
        return self


class Normalisation(Section):
    """Of each column, by mean and deviation (over n - `ddof`) of `all` rows, of each `part`, of `train`; or none."""

    kind: Literal["zscore", "none"]
    """To mean 0 and deviation 1, or as it is."""
    fit: Literal["all", "part", "train"] | None = None
    """Rows whose mean and deviation count: all, those of each part by itself, or those of the training part."""
    ddof: Literal[0, 1] | None = None
    """The deviation is that over the number of rows less this."""

    @model_validator(mode="after")
    def _says_how(self) -> Normalisation:
        for name, allowed in (("fit", "all, part, train"), ("ddof", "0, 1")):
            if self.kind == "zscore" and getattr(self, name) is None:
                raise FieldError(name, got="nothing", allowed=f"{allowed} with kind: zscore")
        return self


class SplitSection(Section):
    """Which rows train and which test.

    `random_half`: drawn by the seed; `rows`: `train` and `test` name arrays of row numbers in the archive; `array`:
    they list codes of its array `split`, each code a part.
    """

    kind: Literal["random_half", "rows", "array"]
    """One half trains, drawn by the seed; arrays of row numbers; or codes in the array `split`."""
    train: Text | list[Label] | None = None
    """Name of an array of row numbers, or codes, each of them a part."""
    test: Text | list[Label] | None = None
    """The same for the rows to score."""

    @model_validator(mode="after")
    def _names_both_parts(self) -> SplitSection:
        kinds: dict[str, tuple[type, str]] = {
            "random_half": (type(None), f"nothing with kind: {self.kind}"),
            "rows": (str, "the name of an array of row numbers"),
            "array": (list, "a list of codes"),
        }
        wanted, words = kinds[self.kind]
        for name in ("train", "test"):
            value = getattr(self, name)
            if not isinstance(value, wanted) or value == []:
                raise FieldError(name, got="nothing" if value is None else value, allowed=words)
        return self


class DatasetSection(Section):
    """A data set: an archive of `X` and `y`, and what an experiment makes of it.

    docs/datasets.md says how to make one, and what `chip` may hold.
    """

    name: Text | None = None
    """In tables and workloads; by default the file's name."""
    file: Text | None = None
    """Archive beside the file; by default NAME.npz."""
    rows: FirstRows | None = None
    """Which rows count; by default all."""
    columns: list[IndexColumn] = Field(default_factory=list)
    """Columns that become one."""
    target: Target
    """Which labels make which class."""
    normalise: Normalisation
    """What is done to the columns of `X`."""
    split: SplitSection
    """Which rows train and which test."""
    published_split: Literal["fixed", "unknown"] = "fixed"
    """Whether a measured table says which rows its runs used; if not, `validate accuracy` adds a split's spread."""
    chip: dict[str, Any] = Field(default_factory=dict)
    """`clip_inputs_std`, deviations at which rows are clipped, and how the published runs of this set were driven."""

    @model_validator(mode="after")
    def _all_rows_have_codes(self) -> DatasetSection:
        if self.rows is not None and self.split.kind == "array":
            raise FieldError("split", got="rows.first with an array split", allowed="one of them")
        return self
