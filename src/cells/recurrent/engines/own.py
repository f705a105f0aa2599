"""A cell's own method for whole sequences: a parallel scan, say, or no loop at all."""

from torch import Tensor

from cells.recurrent.cell import Cell, State


def refuses(cell: Cell, inputs: Tensor | None = None) -> str | None:
    """A cell without such a method."""
    return f"{type(cell).__name__} has no method unroll of its own" if cell.unroll is None else None


def unroll(cell: Cell, inputs: Tensor, state: State, lengths: Tensor | None) -> tuple[Tensor, State]:
    """As `reference.unroll`."""
    assert cell.unroll is not None
    return cell.unroll(cell.project(inputs), state, lengths)
