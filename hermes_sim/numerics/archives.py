"""Arrays of the .npz files that commands read: readers and the reference of the site take them from here."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping


class StoredArray(NamedTuple):
    """An array of an archive."""

    shape: str
    meaning: str


# Beside the NAME.yaml of a data set for kernel ridge; a split of kind `rows` names arrays of row numbers, (n,).
KERNEL_RIDGE: Mapping[str, StoredArray] = {
    "X": StoredArray("(rows, columns)", "Finite numbers, as measured: normalising is the YAML's part."),
    "y": StoredArray("(rows,)", "Labels, numbers."),
    "split": StoredArray("(rows,)", "A code per row, with a split of kind `array` alone."),
}

# `--data FILE.npz` of `run` and `partition`, and the data of an exported network.
NETWORK: Mapping[str, StoredArray] = {
    "X": StoredArray("(rows, *input)", "Inputs; or, of a network of several, one array by the name of each."),
    "y": StoredArray("(rows, ...)", "Labels, where there are any."),
    "length": StoredArray("(rows,)", "Tokens that count, of a network that asks for them; by default all."),
    "X_calibration": StoredArray(
        "(more rows, *input)", "Rows that calibrate the chip and are not scored; by default min(256, rows / 5) of X."
    ),
}

# Of published data sets that do not ship, by the name that commands know them by.
PUBLISHED: Mapping[str, Mapping[str, StoredArray]] = {
    "imdb": {
        "text": StoredArray("(bytes,)", "Bytes of all reviews, one behind the other, none of them 0."),
        "offset": StoredArray("(reviews + 1,)", "Where each begins."),
        "y": StoredArray("(reviews,)", "1 is positive, 0 negative."),
        "split": StoredArray("(reviews,)", "0 training, 2 test."),
    },
    "cifar10_jpeg": {
        "jpeg": StoredArray("(bytes,)", "JPEG files of all pictures, one behind the other."),
        "offset": StoredArray("(pictures + 1,)", "Where each begins."),
        "y": StoredArray("(pictures,)", "0 to 9."),
        "split": StoredArray("(pictures,)", "0 training, 2 test."),
    },
    "ptb_char": {
        "train": StoredArray("(characters,)", "Codes of ASCII, to train on."),
        "valid": StoredArray("(characters,)", "The same, to choose a checkpoint by; only characters of `train`."),
        "test": StoredArray("(characters,)", "The same, to score."),
    },
}
