"""Reading the `.npz` files that runs left."""

import zlib
from collections.abc import Sequence
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from cells.errors import UserError


def read_arrays(path: Path, names: Sequence[str] | None = None) -> dict[str, NDArray[np.float64]]:
    """The arrays in a file: those of these names that it has, or all. Nothing if there is no such file.

    Raises:
        UserError: the file is damaged, or cannot be opened.
    """
    if not path.is_file():
        return {}
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files if names is None or name in names}
    except (OSError, ValueError, EOFError, BadZipFile, zlib.error) as error:
        raise UserError(
            f"{path}: cannot be read ({error}); train this run again, or leave it out."
        ) from error
