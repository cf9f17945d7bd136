"""How accuracy is told on the console and in the report: the figure, its yardsticks, how it was simulated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hermes_sim.kit.formatting import counted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# Settings of an accuracy in the order of telling, and how each is told.
_SETTINGS = {
    "dataset": "data {}",
    "kernel": "kernel {}",
    "gamma": "gamma {:g}",
    "sampler": "sampler {}",
    "log2_ratio": "log2(s/d) = {:g}",
    "ridge_alpha": "alpha {:g}",
    "vectors": "{}",
    "tokens_simulated": "{:,} of {tokens_of_workload:,} tokens",
}


@dataclass(frozen=True)
class AccuracyLine:
    """One line about accuracy.

    Parameters
    ----------
    label, value : ``Kernel error``, ``0.0151``
    detail : a sentence on what to hold it against
    short : value and detail for a table of the console
    """

    label: str
    value: str
    detail: str
    short: str


def accuracy_lines(document: Mapping[str, Any]) -> list[AccuracyLine]:
    """Accuracy or error, kernel error, and how both were simulated; the reason alone where there is none."""
    accuracy = document.get("accuracy")
    if not accuracy:
        reason = document.get("accuracy_missing") or "it was not simulated"
        return [AccuracyLine("Accuracy", "none", reason, f"none: {reason}")]
    lines = [_figure(accuracy)]
    commonest = (accuracy.get("data") or {}).get("commonest_label")
    if accuracy["metric"] == "accuracy" and commonest is not None and accuracy["digital_fp32"] <= commonest:
        lines.append(_at_chance(commonest))
    if accuracy.get("kernel_error") is not None:
        lines.append(_kernel(accuracy))
    if accuracy.get("interval") or accuracy.get("interval_missing"):
        lines.append(_over_ranges(accuracy))
    if accuracy.get("by_model"):
        lines.append(_by_model(accuracy))
    if accuracy.get("settings"):
        lines.append(_settings(accuracy["settings"], accuracy.get("effects", "all")))
        if accuracy["settings"].get("published"):
            lines.append(_validated(accuracy["settings"]))
    return lines


def metric_label(accuracy: Mapping[str, Any]) -> str:
    """``attention_relative_error`` -> ``Attention relative error``."""
    return str(accuracy["metric"]).replace("_", " ").capitalize()


def change_text(accuracy: Mapping[str, Any]) -> str:
    """What the chip changes: a drop of an accuracy, a rise of an error."""
    if accuracy.get("drop_pp") is not None:
        return f"drop {accuracy['drop_pp']:+.2f} points"
    change = accuracy["simulated"] - accuracy["digital_fp32"]
    return f"{change:+.4f}, lower is better"


def _figure(accuracy: Mapping[str, Any]) -> AccuracyLine:
    value, spread, fp32 = f"{accuracy['simulated']:.4f}", accuracy.get("std"), f"{accuracy['digital_fp32']:.4f}"
    seeds = counted(accuracy["seeds"], "seed")
    change = change_text(accuracy)
    told = "" if spread is None else f" ± {spread:.4f}"
    mean = f"mean{told} (standard deviation) of {seeds}" if told else seeds
    return AccuracyLine(
        metric_label(accuracy),
        value,
        f"{mean}; FP32 gives {fp32}, {change}",
        f"{value}{told.replace('±', '+-')}, FP32 {fp32}, {change} ({seeds})",
    )


def _at_chance(commonest: float) -> AccuracyLine:
    """A network that knows nothing of its data: mostly data of another scale or order than it was trained with."""
    asked = "do scale, order of axes and numbers of the classes fit the network?"
    detail = f"no better than always answering the commonest label ({commonest:.4f}): {asked}"
    return AccuracyLine("FP32", "at chance", detail, detail)


def _by_model(accuracy: Mapping[str, Any]) -> AccuracyLine:
    """What models of the chip's reads that the measurements do not tell apart make of it."""
    values = [one["simulated"] for one in accuracy["by_model"]]
    told = ", ".join(f"{one['chip_model']} {one['simulated']:.4f}" for one in accuracy["by_model"])
    ends = f"{min(values):.4f} to {max(values):.4f}"
    return AccuracyLine("Over models of the chip", ends, told, f"{ends} ({told})")


def _over_ranges(accuracy: Mapping[str, Any]) -> AccuracyLine:
    """What the ranges of the chip's values make of it."""
    label, found = f"{metric_label(accuracy)} over ranges", accuracy.get("interval")
    if not found:
        return AccuracyLine(label, "none", accuracy["interval_missing"], f"none: {accuracy['interval_missing']}")
    ends = f"{found['low']:.4f} to {found['high']:.4f}"
    how = (
        f"5 to 95 % of {found['samples']} chips with {counted(len(found['paths']), 'value')} drawn from their ranges, "
        f"{counted(found['rows'], 'row')}"
    )
    return AccuracyLine(
        label,
        ends,
        f"median {found['median']:.4f}, {how}; the devices of the first draw, which gives {found['value']:.4f} with "
        "the values of the file",
        f"{ends} ({how})",
    )


def _kernel(accuracy: Mapping[str, Any]) -> AccuracyLine:
    """Kernel error beside that of FP32 and of the best constant kernel."""
    value, fp32 = f"{accuracy['kernel_error']:.4f}", f"{accuracy['digital_kernel_error']:.4f}"
    seeds = counted(accuracy["seeds"], "seed")
    detail = f"|K - K'| / |K|, {seeds if accuracy['seeds'] == 1 else f'mean of {seeds}'}; FP32 gives {fp32}"
    short = f"{value}, FP32 {fp32}"
    constant = accuracy.get("constant_kernel_error")
    if constant is not None:
        worse = accuracy["kernel_error"] > constant
        warning = ": the chip's kernel is worse than that" if worse else ""
        detail += f", the best constant kernel {constant:.4f}{warning}"
        short += f", best constant kernel {constant:.4f}{' (better)' if worse else ''}"
    return AccuracyLine("Kernel error", value, detail, short)


def _ranges(settings: Mapping[str, Any]) -> str:
    """How the input that gets a full pulse is found."""
    rule, batch = settings.get("range") or {"policy": "largest", "per": "vector"}, settings["range_batch"]
    scope = rule["per"] if rule["per"] != "vector" or batch == 1 else f"{batch} vectors"
    how = {
        "largest": "",
        "quantile": f" (quantile {rule.get('value')})",
        "deviations": f" ({rule.get('value'):g} standard deviations)" if rule.get("value") else "",
        "fixed": f" ({rule.get('value')}, given)",
    }[rule["policy"]]
    return f"one input range per {scope}{how}"


def _validated(settings: Mapping[str, Any]) -> AccuracyLine:
    """With which settings instead published experiments stand behind the model."""
    told = [f"{path.removeprefix('core.analog.')} {there}" for path, (_, there) in settings["published"].items()]
    short = f"only with {', '.join(told)} (validate accuracy)"
    detail = (
        f"the published experiments, with which `hermes-sim validate accuracy` compares, had {', '.join(told)}; "
        "under the settings of this accuracy there is no measurement"
    )
    return AccuracyLine("Checked by experiment", f"with {told[0]}", detail, short)


def _settings(settings: Mapping[str, Any], effects: str | Sequence[str]) -> AccuracyLine:
    ranges = _ranges(settings)
    others = [text.format(settings[name], **settings) for name, text in _SETTINGS.items() if name in settings]
    if effects != "all":
        on = "no imperfection" if effects == "none" else f"of the imperfections {' and '.join(effects)} alone"
        others.insert(0, f"{on} (--effects)")
    mode, detail = f"{settings['read_mode']} reads", ", ".join([ranges, *others])
    return AccuracyLine("Accuracy assumes", mode, detail, f"{mode}, {detail}")
