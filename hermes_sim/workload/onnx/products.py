"""Products of matrices: of constant weights on the crossbars, of two computed tensors on digital units."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from hermes_sim.config.vocabulary import Function
from hermes_sim.workload.graph import Matrix, Operator, OpKind
from hermes_sim.workload.onnx.einsum import Contraction
from hermes_sim.workload.onnx.tensors import Stream

if TYPE_CHECKING:
    from hermes_sim.workload.onnx.tensors import Importer
    from hermes_sim.workload.origin import Node


def dense(at: Importer, node: Node, name: str) -> None:
    """MatMul or Gemm with constant weights: a matrix on the crossbars; of two computed tensors: digital."""
    left, right = node.inputs[0], node.inputs[1]
    if _is_stack(at, left) or _is_stack(at, right) or not (at.is_constant(left) or at.is_constant(right)):
        _attend(at, node, name)
        return
    if at.is_constant(left):
        _dense_on_the_left(at, node, name)
        return
    if node.get("transA", 0):
        raise NotImplementedError("transA")
    rows, columns = _weight_shape(at, right, turned=bool(node.get("transB", 0)))
    tokens, rest = divmod(at.size(left), rows)
    stream = at.stream(left)
    if rest or stream.tokens * stream.values != tokens * rows:
        raise NotImplementedError(f"{stream.tokens * stream.values} values for vectors of {rows}")
    product = at.product(node, name, Matrix(right, rows, columns), tokens=tokens)
    at.connect(stream if tokens == 1 else at.in_tokens(stream, tokens, name), product)
    at.streams[node.outputs[0]] = Stream.of(product, tokens, columns)
    _add_computed_bias(at, node, name)
    at.note(node, name, "crossbar", f"{rows} x {columns}, {tokens} products")


def _is_stack(at: Importer, name: str) -> bool:
    """Whether a tensor is a constant of several matrices, which meet one matrix of the other tensor each."""
    return at.is_constant(name) and prod(at.shape(name)[:-2]) > 1


def _dense_on_the_left(at: Importer, node: Node, name: str) -> None:
    """Constant weights times a computed matrix: its columns are the vectors."""
    weights, source = node.inputs[0], node.inputs[1]
    shape = at.shape(source)
    if node.op_type != "MatMul" or len(at.shape(weights)) < 2 or len(shape) < 2:
        raise NotImplementedError("constant weights on the left of a computed matrix")
    rows, columns = _weight_shape(at, weights, turned=True)
    tokens = prod(shape[:-2]) * shape[-1]
    product = at.product(node, name, Matrix(weights, rows, columns), tokens=tokens)
    at.connect(at.in_tokens(at.stream(source), tokens, name), product)
    at.streams[node.outputs[0]] = Stream.of(product, tokens, columns)
    at.note(node, name, "crossbar", f"{rows} x {columns}, {tokens} products")


def _weight_shape(at: Importer, name: str, *, turned: bool) -> tuple[int, int]:
    """Rows and columns of constant weights: axes of one in front do not count, a vector is one column."""
    shape = at.shape(name)
    leading, last = shape[:-2], shape[-2:]
    if prod(leading) != 1 or not last:
        raise NotImplementedError(f"weights of shape {list(shape)}")
    if len(last) == 1:
        return last[0], 1
    return (last[1], last[0]) if turned else (last[0], last[1])


def _add_computed_bias(at: Importer, node: Node, name: str) -> None:
    """The third input of a Gemm, if it is no constant: added on a digital unit."""
    if node.op_type == "Gemm" and len(node.inputs) > 2 and node.inputs[2] in at.streams:
        made, added = at.streams[node.outputs[0]], at.streams[node.inputs[2]]
        functions = {Function.ADD: made.values}
        op = Operator(
            f"{name}.add", OpKind.ELEMENTWISE, made.tokens, made.values + added.values, made.values, functions
        )
        total = at.result(node, node.outputs[0], op).parts[0].op
        at.connect(made, total)
        at.connect(added, total, into=made.values)


def _attend(at: Importer, node: Node, name: str) -> None:
    """Product of two computed matrices, or of stacks of them, of which one may be constant."""
    if node.get("transA", 0):
        raise NotImplementedError("transA")
    left, right = node.inputs[0], node.inputs[1]
    macs = at.size(node.outputs[0]) * (at.shape(left) or (1,))[-1]
    if at.is_constant(left):
        _multiply(at, node, name, (right, left), macs, at.shape(right)[-1])
    else:
        _multiply(at, node, name, (left, right), macs, (1, 1, *at.shape(left))[-2])
    _add_computed_bias(at, node, name)


def einsum(at: Importer, node: Node, name: str) -> None:
    """A constant matrix goes to the crossbars; any other product of two tensors to a digital unit."""
    found, (left, right) = Contraction.of(node.get("equation", "")), node.inputs[:2]
    if at.is_constant(left):
        found, left, right = found.turned(), right, left
    sizes = found.sizes(at.shape(left), at.shape(right))
    rows, columns, tokens = (
        prod(sizes[letter] for letter in letters) for letters in (found.summed, found.own, found.free)
    )
    if not at.is_constant(right) or not found.is_matrix:
        _multiply(at, node, name, (left, right), prod(sizes.values()), tokens)
        return
    product = at.product(node, name, Matrix(right, rows, columns), tokens=tokens)
    at.connect(at.in_tokens(at.stream(left), tokens, name), product)
    at.streams[node.outputs[0]] = Stream.of(product, tokens, columns)
    at.note(node, name, "crossbar", f"{rows} x {columns}, {tokens} products")


def _multiply(at: Importer, node: Node, name: str, operands: tuple[str, str], macs: int, m: int) -> None:
    """Digital product: every token of the left operand, m or as many as come, meets the right one, which is held."""
    left, right = operands
    stream = at.stream(left)
    fits = stream.tokens % m == 0 or m % stream.tokens == 0
    tokens = stream.tokens if fits and at.size(node.outputs[0]) % stream.tokens == 0 else m
    op = Operator(
        name,
        OpKind.DYNAMIC_MATMUL,
        tokens,
        -(-at.size(left) // tokens),
        -(-at.size(node.outputs[0]) // tokens),
        {Function.MAC: -(-macs // tokens)},
        weight_values=min(at.size(right), -(-macs // tokens)),  # of many matrices, a token reads its own
    )
    held = None if at.is_constant(right) else at.collect(at.stream(right), f"{name}.held")
    made = at.result(node, node.outputs[0], op).parts[0].op
    at.connect(stream, made)
    if held is not None:
        at.connect(held, made, into=op.in_values)
    at.note(node, name, "digital", f"{macs:,} multiply-accumulates")
