"""How a layer is unrolled over time: the engines, and the choice among them.

An engine is a module with the two functions of `Engine`. A new one is a file and its line in `ENGINES`.
"""

import logging
from typing import Protocol

from torch import Tensor

from cells.errors import UserError, did_you_mean
from cells.recurrent.cell import Cell, State
from cells.recurrent.engines import compiled, deferred, fused, own, reference, torch_kernels, triton_kernels

log = logging.getLogger(__name__)


class Engine(Protocol):
    """What an engine's module has to offer.

    One that needs something that a machine may not have also offers `lacks() -> str | None`: what is missing here, as a
    clause without a full stop. One that is slower than the next for some of the cells that it can run also offers
    `pays(cell) -> bool`: whether `engine=auto` should take it.
    """

    def refuses(self, cell: Cell, inputs: Tensor | None = None) -> str | None:
        """Why this engine cannot run a cell (on these inputs), as a clause without a full stop; None if it can."""

    def unroll(
        self, cell: Cell, inputs: Tensor, state: State, lengths: Tensor | None
    ) -> tuple[Tensor, State]:
        """Run a cell over whole sequences; every engine returns what `reference.unroll` returns."""


ENGINES: dict[str, Engine] = {
    "own": own,
    "fused": fused,
    "torch": torch_kernels,
    "deferred": deferred,
    "reference": reference,
    "compiled": compiled,
    "triton": triton_kernels,
}
"""Fastest first: `engine=auto` takes the first that does not refuse and pays, at the latest `reference`. Those after it
are for those who ask: `compiled` takes its time to compile, `triton` is experimental."""


def choose(engine: str, cell: Cell, inputs: Tensor | None = None) -> str:
    """The name of the engine that will run a cell: the one asked for, or the fastest possible one for "auto".

    Where the machine lacks what the engine asked for needs, the fastest possible one takes over, and a line in the log
    says so.

    Raises:
        UserError: there is no such engine, or it cannot run that cell.
    """
    able = [name for name, candidate in ENGINES.items() if candidate.refuses(cell, inputs) is None]
    fastest = [name for name in able if _pays(name, cell)]
    if engine != "auto":
        if engine not in ENGINES:
            raise UserError(
                f"engine={engine}: there is no such engine; {did_you_mean(engine, ['auto', *ENGINES])}"
            )
        if engine not in able:
            reason = ENGINES[engine].refuses(cell, inputs)
            raise UserError(f"engine={engine} cannot run this model: {reason}; use engine=auto.")
        fastest = [engine, *(name for name in fastest if name != engine)]
    missing = {name: lacking(name) for name in fastest}
    chosen = next(name for name in fastest if missing[name] is None)
    for name in fastest[: fastest.index(chosen)]:
        log.warning("engine=%s does not run here: %s; engine=%s does.", name, missing[name], chosen)
    return chosen


def _pays(engine: str, cell: Cell) -> bool:
    pays = getattr(ENGINES[engine], "pays", None)
    return pays is None or pays(cell)


def lacking(engine: str) -> str | None:
    """What an engine needs and this machine does not have."""
    lacks = getattr(ENGINES[engine], "lacks", None)
    missing: str | None = lacks() if lacks else None
    return missing
