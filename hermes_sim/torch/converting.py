"""`convert`: a PyTorch module with its dense layers and convolutions on a chip."""

from __future__ import annotations

import copy
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from hermes_sim._cpus import one_blas_thread, usable_cpus
from hermes_sim.chip.load import load_arch
from hermes_sim.chip.schema import Chip
from hermes_sim.config.vocabulary import ReadMode
from hermes_sim.crossbar.spec import Effects, core_crossbar
from hermes_sim.errors import HermesSimError, WorkloadError, chosen
from hermes_sim.flow import map_operators
from hermes_sim.mapping.mapping import DEFAULT_MAPPING
from hermes_sim.numerics.network import (
    KEEPS_FORMAT,
    Evaluation,
    checked_inputs,
    network_of,
    network_weights,
    rounded_operators,
)
from hermes_sim.numerics.network_accuracy import calibration_inputs
from hermes_sim.numerics.programmed import ExactProducts, ProgrammedChip, weights_of
from hermes_sim.rng import child_key
from hermes_sim.torch.analog import (
    AnalogChip,
    AnalogConv2d,
    AnalogLinear,
    AnalogModule,
    Product,
    Training,
    matrix_of,
)
from hermes_sim.torch.digital import attribute
from hermes_sim.torch.importing import example_inputs, onnx_of
from hermes_sim.workload.onnx_import import import_onnx

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from hermes_sim.config.files import Source
    from hermes_sim.flow import Mapped
    from hermes_sim.numerics.weights import NetworkWeights

    Array = NDArray[Any]

_FEW = 2  # samples that tell what is computed where
_KINDS: dict[type[Any], type[AnalogModule]] = {nn.Linear: AnalogLinear, nn.Conv2d: AnalogConv2d}


def convert(
    module: Any,
    arch: Source | Chip,
    *,
    example_input: Any,
    mapping: str | Path = DEFAULT_MAPPING,
    seed: int = 0,
    draw: int = 0,
    effects: str = "all",
    training: str = Training.CHIP,
    clip_sd: float | None = None,
) -> Any:
    """Copy of a module in which every `nn.Linear` and `nn.Conv2d` (without groups) runs on a chip.

    The copy has the same parameters under the same names. Its attribute `analog` is the chip, see `AnalogChip`: weights
    are written again in the first pass after they have changed. Gradients are those of the exact products.

    Parameters
    ----------
    arch : shipped name, path of a file, or what `load_arch` returned
    example_input : input (n, ...) of the module, several as a tuple; the first sample gives shapes, all of them
        calibrate the ranges of the chip
    mapping : strategy, or the path of a mapping file
    seed, draw : the chip is the one that `simulate` with this seed has in that of its draws
    effects : imperfections that are on: ``all``, ``none``, or a comma list of their names
    training : in training mode modules run on the ``chip``, or have its ``noise`` on weights and outputs
    clip_sd : in training weights are kept within so many standard deviations; None: what the chip's cells stand for,
        0: not at all

    Raises
    ------
    HermesSimError
        a module that cannot be exported or does not fit, nothing to convert
    """
    chip = arch if isinstance(arch, Chip) else load_arch(arch)
    how = chosen("training", training, Training, error=HermesSimError)
    spec = core_crossbar(chip.core, effects=Effects.of(effects))
    examples = example_inputs(example_input)
    copied = copy.deepcopy(module)
    with tempfile.TemporaryDirectory() as folder, one_blas_thread():
        path = onnx_of(copied, examples, Path(folder) / "module.onnx")
        mapped = map_operators(chip, import_onnx(path).graph, mapping, seed=seed)
        weights = network_weights(mapped.graph, where=type(module).__name__)
        exact = ExactProducts(weights_of(mapped.graph))
        exact.program(weights.matrices, weights.biases)
        rows = _rows(mapped, examples)
        probes = calibration_inputs(Evaluation(mapped.graph, weights), exact, rows)
    on_chip = ProgrammedChip(
        mapped.graph,
        mapped.mapping,
        spec=spec,
        mode=ReadMode(chip.read_mode),
        seed=child_key(seed, "network", draw),
        n_threads=usable_cpus(),
    )
    ldpu, units = spec.effects.ldpu_fp16, spec.effects.output_format
    analog = AnalogChip(
        chip=on_chip,
        weights=weights,
        rounded=rounded_operators(mapped.graph, mapped.mapping, chip, ldpu=ldpu, units=units),
        probes=probes,
        training=how,
        clip_sd=spec.weight_limit_sd if clip_sd is None else clip_sd,
    )
    _put_modules(copied, analog, mapped)
    with one_blas_thread():
        _find_digital(copied, analog, exact, examples, rows)
    analog.program()
    for operator, vectors in probes.items():
        on_chip.calibrate(operator, vectors)
    copied.analog = analog
    copied.register_forward_pre_hook(_before, with_kwargs=True)
    copied.register_forward_hook(_after)
    copied.register_forward_hook(_always, always_call=True)
    return copied


def _rows(mapped: Mapped, examples: tuple[Any, ...]) -> dict[str, Array]:
    """The example as a simulation takes its inputs."""
    network = network_of(mapped.graph)
    inputs = zip(network.inputs, examples, strict=True)
    rows = {name: values.detach().cpu().numpy() for name, values in inputs}
    return checked_inputs(network, rows, where="example_input")


def _put_modules(network: Any, analog: AnalogChip, mapped: Mapped) -> None:
    """Put converted modules in the place of those whose weights the matrices hold."""
    places = [(parent, key, part) for parent in network.modules() for key, part in parent.named_children()]
    can = {id(part): part for _, _, part in places if type(part) in _KINDS and getattr(part, "groups", 1) == 1}
    names = {id(part): name for name, part in network.named_modules()}
    products = _products([(names[one], part) for one, part in can.items()], analog.weights, mapped)
    made: dict[int, AnalogModule] = {}
    for one, part in can.items():
        product = products.get(id(part.weight))
        if product is not None:
            programmed = part.bias is not None and all(name in analog.weights.biases for name in product.matrices)
            made[one] = _KINDS[type(part)](part, product, analog, bias_is_programmed=programmed)
    for parent, key, part in places:
        if id(part) in made:
            setattr(parent, key, made[id(part)])
    if not made:
        raise WorkloadError(
            f"module {type(network).__name__}",
            got="nothing to convert",
            allowed="a module with nn.Linear or nn.Conv2d (groups=1) inside it that the network uses",
        )
    analog.modules.extend(made.values())


def _find_digital(
    network: Any, analog: AnalogChip, exact: ExactProducts, examples: tuple[Any, ...], rows: Mapping[str, Array]
) -> None:
    """Find which results of the network are those of which digital operators, and what of the chip is not in it."""
    few = {name: values[:_FEW] for name, values in rows.items()}
    tensors = Evaluation(analog.chip.graph, analog.weights).tensors(exact, few)
    rounding = Evaluation(analog.chip.graph, analog.weights, analog.rounded)
    modes = {part: part.training for part in network.modules()}
    network.eval()
    analog.is_exact = True
    try:
        missing = attribute(analog.numbers, network, tuple(one[:_FEW] for one in examples), tensors, rounding)
    finally:
        analog.is_exact = False
        for part, mode in modes.items():
            part.training = mode
    in_modules = {op.name for module in analog.modules for op in module.product.operators}
    changed = (name for node in rounding.network.nodes if node.op_type not in KEEPS_FORMAT for name in node.outputs)
    makers = (rounding.maker(name) for name in changed if name in missing and rounding.makes_fp16(name))
    analog.not_rounded = tuple(dict.fromkeys(name for name in makers if name and name not in in_modules))
    analog.left_exact = tuple(
        op.name for op in analog.chip.graph.operators if op.on_crossbar and op.name not in in_modules
    )


def _products(modules: list[tuple[str, Any]], weights: NetworkWeights, mapped: Mapped) -> dict[int, Product]:
    """Weights of modules, by identity -> product of the matrices that hold them.

    An exporter may have made several matrices of a module's weights: then all are its own, unless another module has
    weights of the same values: then the one with its name is, or the first that is left.
    """
    owners = {id(module.weight): (name, matrix_of(module)) for name, module in modules}
    used = {op.name: op.matrix or op.use for op in mapped.graph.operators}
    free = [name for name in weights.matrices if name in used.values()]
    found: dict[int, Product] = {}
    for parameter, (name, values) in owners.items():
        same = [matrix for matrix in free if np.array_equal(weights.matrices[matrix], values)]
        if sum(np.array_equal(values, other) for _, other in owners.values()) > 1:
            same = [f"{name}.weight"] if f"{name}.weight" in same else same[:1]
        if same:
            free = [matrix for matrix in free if matrix not in same]
            operators = tuple(op for op in mapped.graph.operators if used[op.name] in same)
            found[parameter] = Product(tuple(same), operators)
    return found


def _before(network: Any, given: tuple[Any, ...], named: dict[str, Any]) -> None:
    arrays = (one for one in (*given, *named.values()) if isinstance(one, torch.Tensor))
    network.analog.before_pass(len(next(arrays)), training=network.training)
    network.analog.numbers.begin()


def _after(network: Any, _given: Any, _result: Any) -> None:
    network.analog.numbers.end()
    network.analog.after_pass()


def _always(network: Any, _given: Any, _result: Any) -> None:
    network.analog.numbers.end()
