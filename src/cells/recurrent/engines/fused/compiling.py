"""How this engine's kernels are compiled by Numba, and kept on disk."""

import logging
from collections.abc import Callable
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from numba import njit
from numba.core import event

log = logging.getLogger(__name__)


def _can_keep_compiled_code() -> bool:
    try:
        njit(cache=True)(_can_keep_compiled_code)
    except RuntimeError:  # neither this folder nor the user's is writable
        return False
    return True


_KEEPS_COMPILED_CODE = _can_keep_compiled_code()
_SOURCE = b"".join(path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py")))


def compiled(function: Callable[..., Any]) -> Any:
    """Compile a function of this engine: kept on disk, free of the interpreter's lock, NaN and infinity respected."""
    # Numba looks for changes in the function's own file alone, and finds by the name what it has kept.
    function.__qualname__ += f"_{sha256(_SOURCE).hexdigest()[:8]}"
    return njit(cache=_KEEPS_COMPILED_CODE, nogil=True, fastmath={"contract"}, error_model="numpy")(function)


class _Compiling(event.Listener):
    """Numba tells it when something is compiled, which takes seconds, and not when it is read from the disk."""

    def on_start(self, event: Any) -> None:
        if event.data["dispatcher"].py_func.__module__.startswith(f"{__package__}."):
            _say_so()

    def on_end(self, event: Any) -> None:
        pass


event.register("numba:compile", _Compiling())


@cache
def _say_so() -> None:
    often = (
        "once"
        if _KEEPS_COMPILED_CODE
        else "in every process, for no folder to keep them in can be written to"
    )
    log.info("engine=fused: compiling its kernels, about ten seconds, %s", often)
