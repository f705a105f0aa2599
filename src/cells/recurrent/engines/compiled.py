"""Any cell, ten steps at a time through `torch.compile`: for small cells of one's own that train for long.

Compiling takes up to a minute for each cell and shape of batch, and PyTorch keeps the result on disk. A sequence of
fewer steps is compiled as one piece; steps that are left over after the last whole piece run through the readable loop.
"""

import logging
import shutil
from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch import Tensor

from cells.recurrent.cell import Cell, State
from cells.recurrent.engines import reference

log = logging.getLogger(__name__)

STEPS = 10
"""Steps in a piece that is compiled: long enough to be fused over, short enough to be compiled in seconds."""

MOST_VERSIONS = 64
"""Layers, directions, masks, shapes of batch, training and validation each have a version of their own. PyTorch's limit
of eight is soon reached; from there on it would run the loop uncompiled."""


def lacks() -> str | None:
    """A C++ compiler, where there is no graphics card either."""
    there = torch.cuda.is_available() or any(shutil.which(name) for name in ("c++", "g++", "clang++", "cl"))
    return None if there else "torch.compile needs a C++ compiler, and there is none"


def refuses(cell: Cell, inputs: Tensor | None = None) -> None:
    """Nothing: every cell has a step."""


def unroll(cell: Cell, inputs: Tensor, state: State, lengths: Tensor | None) -> tuple[Tensor, State]:
    """As `reference.unroll`."""
    lengths_left, outputs = lengths, []
    # Split at once: the gradient of each slice by itself would be a tensor as large as the whole.
    pieces = cell.project(inputs).split(STEPS, dim=2)
    for piece in pieces:
        run = _compiled() if piece.shape == pieces[0].shape else reference.loop
        output, state = run(cell, piece, state, lengths_left)
        outputs.append(output)
        lengths_left = None if lengths_left is None else lengths_left - STEPS
    return torch.cat(outputs, dim=2), state


@cache
def _compiled() -> Callable[..., Any]:
    torch._dynamo.config.recompile_limit = MOST_VERSIONS
    log.info("engine=compiled: compiling %d steps of the cell, which takes a while the first time", STEPS)
    return torch.compile(reference.loop, dynamic=False)
