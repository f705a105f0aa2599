"""Where the bundled data sets lie, and the paths that name them."""

from pathlib import Path

from cells.errors import UserError, did_you_mean

FOLDER = Path(__file__).parents[1] / "bundled"
PREFIX = "bundled:"


def resolve(path: str) -> Path:
    """The file that `data.path` names: a file of the user's, or `bundled:NAME` for a series of the project's.

    Raises:
        UserError: no bundled series has that name, or no user's folder.
    """
    if not path.startswith(PREFIX):
        try:
            return Path(path).expanduser()
        except RuntimeError as error:
            raise UserError(f"data.path={path}: there is no such user's folder.") from error
    name = path.removeprefix(PREFIX)
    names = sorted(file.name.removesuffix(".csv.gz") for file in FOLDER.glob("*.csv.gz"))
    if name not in names:
        raise UserError(f"data.path={path}: no bundled series of that name; {did_you_mean(name, names)}")
    return FOLDER / f"{name}.csv.gz"
