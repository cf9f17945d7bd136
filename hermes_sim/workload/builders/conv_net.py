"""Convolutional networks: convolutions as products with a sliding window, pooling, residual adds, dense."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hermes_sim.config.vocabulary import Function
from hermes_sim.errors import WorkloadError
from hermes_sim.workload.graph import GraphBuilder, Matrix, Operator, OpGraph, OpKind, Pattern, Window
from hermes_sim.workload.origin import Node, NodeGraph, no_constants

if TYPE_CHECKING:
    from hermes_sim.workload.schema import ConvNet, ConvNetLayer


@dataclass(frozen=True)
class Pixels:
    """Result of a layer: the operator that makes it pixel by pixel, its size, and whether it comes at the end only."""

    op: str
    height: int
    width: int
    channels: int
    at_end: bool = False

    @property
    def pixels(self) -> int:
        """Tokens of the operator."""
        return self.height * self.width


def conv_net_graph(workload: ConvNet) -> OpGraph:
    """Each layer takes the one before it, or the one it names.

    Raises
    ------
    WorkloadError
        a layer that takes what does not exist, or shapes that do not fit
    """
    graph = GraphBuilder(workload.name)
    image = workload.image
    picture = Pixels("image", image.height, image.width, image.channels)
    graph.add(Operator("image", OpKind.INPUT, picture.pixels, 0, picture.channels))
    made, nodes, before = {"image": picture}, list[Node](), "image"
    for layer in workload.layers:
        where = f"{workload.name}: layers: {layer.name}"
        for name in (layer.source, layer.other):
            if name is not None and name not in made:
                raise WorkloadError(where, got=f"it takes {name!r}", allowed=", ".join(made))
        source = made[layer.source] if layer.source else picture
        if layer.op == "add":
            other = made[layer.other or "image"]
            picture = _add(graph, layer, source, other, where)
        elif layer.op == "linear":
            picture = _linear(graph, layer, source)
        elif layer.op.startswith("global"):
            picture = _pool_all(graph, layer, source)
        else:
            picture = _slide(graph, layer, source, where)
        made[layer.name] = picture
        computed = _nodes(layer, layer.source or before, source)
        for node in computed:
            graph.computes(picture.op, node)
        nodes += computed
        before = layer.name
    result = graph.add(Operator("scores", OpKind.OUTPUT, picture.pixels, picture.channels, 0))
    graph.connect(picture.op, result)
    shape = {"image": (1, image.channels, image.height, image.width)}
    network = NodeGraph(shape, (before,), tuple(nodes), workload.name, no_constants)
    return graph.build(network=network)


def _nodes(layer: ConvNetLayer, source: str, picture: Pixels) -> list[Node]:
    """What a layer computes of a picture, in ONNX's terms; its result has the layer's name.

    A dense layer is a convolution whose kernel is the whole picture.
    """
    sides = [picture.height, picture.width] if layer.op == "linear" else [layer.kernel or 1] * 2
    window = {"kernel_shape": sides, "strides": [layer.stride] * 2, "pads": [layer.padding] * 4}
    computes: dict[str, tuple[str, dict[str, Any]]] = {
        "conv": ("Conv", window),
        "linear": ("Conv", window),
        "max_pool": ("MaxPool", window),
        "average_pool": ("AveragePool", window | {"count_include_pad": 1}),
        "global_max_pool": ("GlobalMaxPool", {}),
        "global_average_pool": ("GlobalAveragePool", {}),
        "add": ("Add", {}),
    }
    op_type, attributes = computes[layer.op]
    inputs = (source, layer.other or "image") if layer.op == "add" else (source,)
    if not layer.has_relu:
        return [Node(layer.name, op_type, "", inputs, (layer.name,), attributes)]
    before = f"{layer.name}.before_relu"
    return [
        Node(layer.name, op_type, "", inputs, (before,), attributes),
        Node(f"{layer.name}.relu", "Relu", "", (before,), (layer.name,)),
    ]


def add_window(
    graph: GraphBuilder,
    source: Pixels,
    target: Pixels,
    *,
    kernel: tuple[int, int],
    stride: tuple[int, int] = (1, 1),
    padding: tuple[int, int] = (0, 0),
    dilation: tuple[int, int] = (1, 1),
) -> None:
    """Let the target slide a window over the source.

    Parameters
    ----------
    kernel, stride, padding, dilation : of rows and columns: pixels of a window, step, empty ones before the first, and
        how far the pixels of a window lie apart
    """
    rows, columns = ((size - 1) * apart + 1 for size, apart in zip(kernel, dilation, strict=True))
    window = Window(
        source.height,
        source.width,
        target.height,
        target.width,
        rows,
        stride[0],
        padding[0],
        kernel[0] * kernel[1],
        padding[1],
        columns,
        stride[1],
    )
    graph.connect(source.op, target.op, pattern=Pattern.WINDOW, window=window)


def _slide(graph: GraphBuilder, layer: ConvNetLayer, source: Pixels, where: str) -> Pixels:
    """Convolution or pooling; ReLU behind a convolution on the crossbars is the LDPU's, at no extra cost."""
    kernel, stride, padding = layer.kernel or 1, layer.stride, layer.padding
    height = (source.height + 2 * padding - kernel) // stride + 1
    width = (source.width + 2 * padding - kernel) // stride + 1
    if min(height, width) < 1:
        raise WorkloadError(
            where, got=f"kernel {kernel} on {source.height} x {source.width}", allowed="a kernel that fits"
        )
    positions = kernel * kernel
    if layer.op == "conv":
        matrix = Matrix(layer.name, source.channels * positions, layer.channels or 0)
        graph.product(layer.name, matrix, tokens=height * width, on_crossbar=layer.on_crossbar)
        target = Pixels(layer.name, height, width, matrix.columns)
    else:
        function = Function.COMPARE if layer.op == "max_pool" else Function.ADD
        functions = {function: (positions - 1) * source.channels}
        if layer.op == "average_pool":
            functions[Function.MUL] = source.channels
        op = Operator(
            layer.name,
            OpKind.POOLING,
            height * width,
            positions * source.channels,
            source.channels,
            functions,
        )
        target = Pixels(graph.add(op), height, width, source.channels)
    add_window(graph, source, target, kernel=(kernel, kernel), stride=(stride, stride), padding=(padding, padding))
    return target


def _add(graph: GraphBuilder, layer: ConvNetLayer, one: Pixels, other: Pixels, where: str) -> Pixels:
    shapes = [(p.height, p.width, p.channels) for p in (one, other)]
    if shapes[0] != shapes[1]:
        raise WorkloadError(where, got=f"{shapes[0]} and {shapes[1]}", allowed="two pictures of one size")
    c = one.channels
    add = graph.add(Operator(layer.name, OpKind.ELEMENTWISE, one.pixels, 2 * c, c, {Function.ADD: c}))
    graph.connect(one.op, add)
    graph.connect(hold(graph, f"{layer.name}.skip", other), add, into=c)
    return Pixels(add, *shapes[0])


def hold(graph: GraphBuilder, name: str, picture: Pixels) -> str:
    """Memory on a skip path: the windows on the main path are rows behind the pixels that skip them."""
    c = picture.channels
    memory = graph.add(Operator(name, OpKind.MEMORY, picture.pixels, c, c))
    graph.connect(picture.op, memory)
    return memory


def _pool_all(graph: GraphBuilder, layer: ConvNetLayer, source: Pixels) -> Pixels:
    """Over the whole picture: one vector at its end."""
    c = source.channels
    function = Function.COMPARE if layer.op == "global_max_pool" else Function.ADD
    pool = Operator(layer.name, OpKind.POOLING, source.pixels, c, 0, {function: c}, once_values=c)
    graph.connect(source.op, graph.add(pool))
    return Pixels(layer.name, 1, 1, c, at_end=True)


def _linear(graph: GraphBuilder, layer: ConvNetLayer, source: Pixels) -> Pixels:
    """Dense layer on the whole picture: a window as large as the picture."""
    n_out = layer.channels or 0
    matrix = Matrix(layer.name, source.channels * source.pixels, n_out)
    graph.product(layer.name, matrix, tokens=1, on_crossbar=layer.on_crossbar)
    target = Pixels(layer.name, 1, 1, n_out)
    if source.at_end:
        graph.connect(source.op, layer.name, pattern=Pattern.SEQUENCE)
    elif source.pixels == 1:
        graph.connect(source.op, layer.name)
    else:
        add_window(graph, source, target, kernel=(source.height, source.width))
    return target
