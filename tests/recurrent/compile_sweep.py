"""Compiles Triton's kernels for a GPU that need not be there; a program of its own, for tests interpret them."""

import torch
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from cells.recurrent.engines.triton_kernels import operation, sweep

HOPPER = GPUTarget("cuda", 90, 32)
SHARED = 99 * 1024
"""Bytes of shared memory that one program may have on the cards with the least of it."""
KINDS = {"batch": "i32", "steps": "i32", "hidden": "i32", "lengths": "*i64"}
STATES = ("h", "c", "d_h", "d_c", "d_outputs")


def compile_for(cell: str, hidden: int, dtype: str) -> None:
    """Both ways of a cell, with initial states in float32 and lengths."""
    gates = {"tanh": 1, "gru": 3, "lstm": 4}[cell]
    precision = {"fp32": torch.float32, "bf16": torch.bfloat16}[dtype]
    settings = operation._settings(cell, torch.empty(1, hidden, gates * hidden, dtype=precision))
    options = {name: settings.pop(name) for name in ("num_warps", "num_stages")}
    absent = {"tanh": ("c", "d_c", "bias", "kept"), "gru": ("c", "d_c"), "lstm": ("bias",)}[cell]
    constants = settings | dict.fromkeys(absent)
    for kernel in (sweep.forward, sweep.backward):
        kinds = {}
        for name in kernel.arg_names:
            kinds[name] = KINDS.get(name, "*fp32" if name in STATES else f"*{dtype}")
            if name in constants:
                kinds[name] = "constexpr"
        given = {name: value for name, value in constants.items() if name in kinds}
        compiled = triton.compile(ASTSource(kernel, kinds, given), target=HOPPER, options=options)
        assert compiled.asm["cubin"]
        assert compiled.metadata.shared <= SHARED, compiled.metadata.shared


if __name__ == "__main__":
    compile_for("lstm", 17, "fp32")
    compile_for("gru", 64, "fp32")  # weights too large to be held
    compile_for("tanh", 64, "bf16")
