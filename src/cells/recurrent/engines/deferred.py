"""Any cell, the gradient of a weight formed for many steps at once instead of in each: for large cells of one's own.

In the readable loop each step on the way back adds its share to the gradient of a weight (R, K, G): a product of few
rows, and a pass over as much memory as the weight takes. Here the steps carry the adjoint of the state alone. What
stood on the left of each product with a weight, and the adjoint of its result, are put side by side, and one product
over all (time × batch) rows gives the same sum.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.autograd.graph import GradientEdge, get_gradient_edge

from cells.recurrent.adapter import ModuleCell
from cells.recurrent.cell import Cell, State
from cells.recurrent.engines import reference

STEPS = 50
"""Steps whose products are put together: enough for one large product, few enough for what is copied to stay small."""

LARGE = 512**2
"""Elements R·H·H of a weight from which on this is faster than the loop: measured by `benchmarks.own_cells`."""


def refuses(cell: Cell, inputs: Tensor | None = None) -> str | None:
    """Modules for one replica, and lowered precision: both make tensors of their own from a weight in every step."""
    if isinstance(cell, ModuleCell):
        return "a module's products are not with stacked weights"
    if inputs is not None and torch.is_autocast_enabled(inputs.device.type):
        return "it leaves products in the precision of their weights"
    return None


def pays(cell: Cell) -> bool:
    """Whether it is faster than the loop."""
    return cell.replicas * cell.hidden_size**2 >= LARGE


def unroll(cell: Cell, inputs: Tensor, state: State, lengths: Tensor | None) -> tuple[Tensor, State]:
    """As `reference.unroll`; gradients of gradients are not to be had."""
    if not torch.is_grad_enabled():
        return reference.unroll(cell, inputs, state, lengths)
    names, parameters = tuple(state), [p for p in cell.parameters() if p.requires_grad]
    outputs, *end = _Deferred.apply(cell, names, lengths, cell.project(inputs), *state.values(), *parameters)
    return outputs, dict(zip(names, end, strict=True))


class _Product(NamedTuple):
    """A product left @ weight, (R, B, K) with (R, K, G), that some step has computed."""

    left: Tensor
    version: int
    """Of `left`, which must not be changed before the way back."""
    edge: GradientEdge
    """Where autograd computes the adjoint of the product."""


class _Tapped(Tensor):
    """A parameter that notes what is multiplied with it, and keeps these products out of its own gradient."""

    plain: Tensor
    products: list[_Product]

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in _PRODUCTS and not kwargs and torch.is_grad_enabled():
            left, weight = args
            if type(left) is Tensor and isinstance(weight, _Tapped) and _stacked(left, weight.plain):
                if not left.requires_grad:  # the product has to be a part of the graph all the same
                    left = left.detach().requires_grad_()
                product = torch.matmul(left, weight.plain)
                weight.products.append(_Product(left, left._version, get_gradient_edge(product)))
                return product
        # Anything else gives a plain tensor, and to the parameter an ordinary gradient.
        with torch._C.DisableTorchFunctionSubclass():
            return func(*args, **(kwargs or {}))


_PRODUCTS = (torch.matmul, torch.bmm, Tensor.matmul, Tensor.__matmul__, Tensor.bmm)


def _stacked(left: Tensor, weight: Tensor) -> bool:
    """Whether they are (R, B, K) and (R, K, G)."""
    return left.dim() == weight.dim() == 3 and left.shape[0] == weight.shape[0]


@dataclass
class _Piece:
    """Some steps of a sequence, cut out of the graph: where autograd enters, and where it leaves."""

    projected: Tensor
    start: list[Tensor]
    outputs: Tensor
    end: list[Tensor]
    products: list[list[_Product]]
    """Of each parameter."""


class _Deferred(torch.autograd.Function):
    """All steps as one operation of autograd on projected inputs (R, B, T, …), states and parameters."""

    @staticmethod
    def forward(
        ctx: Any,
        cell: Cell,
        names: tuple[str, ...],
        lengths: Tensor | None,
        projected: Tensor,
        *tensors: Tensor,
    ) -> tuple[Tensor, ...]:
        parameters = tensors[len(names) :]
        leaves = [parameter.detach().requires_grad_() for parameter in parameters]
        end, pieces = list(tensors[: len(names)]), []
        for steps in projected.split(STEPS, dim=2):
            with torch.enable_grad(), _tapped(cell, parameters, leaves) as products:
                steps = steps.detach().requires_grad_(ctx.needs_input_grad[3])
                start = [tensor.detach().requires_grad_() for tensor in end]
                outputs, state = reference.loop(cell, steps, dict(zip(names, start, strict=True)), lengths)
            end = [state[name] for name in names]
            pieces.append(_Piece(steps, start, outputs, end, products))
            lengths = None if lengths is None else lengths - STEPS
        ctx.leaves, ctx.pieces = leaves, pieces
        outputs = torch.cat([piece.outputs.detach() for piece in pieces], dim=2)
        return outputs, *(tensor.detach() for tensor in end)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_outputs: Tensor, *d_end: Tensor) -> tuple[Tensor | None, ...]:
        totals = [torch.zeros_like(leaf) for leaf in ctx.leaves]
        adjoint, d_projected = list(d_end), list[Tensor | None]()
        for piece, d_piece in zip(reversed(ctx.pieces), reversed(d_outputs.split(STEPS, dim=2)), strict=True):
            given = [piece.projected, *piece.start, *ctx.leaves]
            edges = [product.edge for products in piece.products for product in products]
            found = iter(_gradients([piece.outputs, *piece.end], [d_piece, *adjoint], given, edges))
            d_projected.append(next(found))
            adjoint = [_or_zeros(next(found), tensor) for tensor in piece.start]
            for total in totals:
                share = next(found)
                if share is not None:
                    total += share
            for total, products in zip(totals, piece.products, strict=True):
                pairs = [(_unchanged(product), next(found)) for product in products]
                pairs = [(left, d_product) for left, d_product in pairs if d_product is not None]
                if pairs:
                    lefts, d_products = (torch.cat(rows, dim=1) for rows in zip(*pairs, strict=True))
                    total += lefts.transpose(1, 2) @ d_products
        if not ctx.needs_input_grad[3]:
            return None, None, None, None, *adjoint, *totals
        shares = zip(reversed(d_projected), ctx.pieces, strict=True)
        whole = torch.cat([_or_zeros(share, piece.projected) for share, piece in shares], dim=2)
        return None, None, None, whole, *adjoint, *totals


@contextmanager
def _tapped(
    cell: Cell, parameters: tuple[Tensor, ...], leaves: list[Tensor]
) -> Iterator[list[list[_Product]]]:
    """While open, these parameters of the cell are tapped leaves; yields the products of each."""
    taps = {}
    for parameter, leaf in zip(parameters, leaves, strict=True):
        taps[id(parameter)] = tap = leaf.as_subclass(_Tapped)
        tap.plain, tap.products = leaf.detach(), []
    places = [
        (module, name, parameter)
        for module in cell.modules()
        for name, parameter in module._parameters.items()
        if parameter is not None and id(parameter) in taps
    ]
    try:
        for module, name, parameter in places:
            module._parameters[name] = taps[id(parameter)]  # type: ignore[assignment]
        yield [tap.products for tap in taps.values()]
    finally:
        for module, name, parameter in places:
            module._parameters[name] = parameter


def _gradients(
    results: list[Tensor], adjoints: list[Tensor], tensors: list[Tensor], edges: list[GradientEdge]
) -> list[Tensor | None]:
    """The gradient with respect to each tensor and at each edge; None where nothing depends on it."""
    pairs = [pair for pair in zip(results, adjoints, strict=True) if pair[0].requires_grad]
    if not pairs:
        return [None] * (len(tensors) + len(edges))
    wanted: list[Any] = [tensor for tensor in tensors if tensor.requires_grad]
    results, adjoints = (list(column) for column in zip(*pairs, strict=True))
    # The graph is retained, for the caller may go back again.
    found = iter(torch.autograd.grad(results, wanted + edges, adjoints, retain_graph=True, allow_unused=True))
    return [next(found) if tensor.requires_grad else None for tensor in tensors] + list(found)


def _or_zeros(gradient: Tensor | None, like: Tensor) -> Tensor:
    return torch.zeros_like(like) if gradient is None else gradient


def _unchanged(product: _Product) -> Tensor:
    if product.left._version != product.version:
        raise RuntimeError(
            "a tensor that was multiplied with a weight has been modified by an inplace operation; engine=deferred "
            "needs it for the gradient of the weight"
        )
    return product.left.detach()
