"""`history.csv`: every logged value as (step, seed, tag, value), so that curves need no event-file reader."""

import csv
from pathlib import Path

from cells.record import HISTORY_NAME

HEADER = ("step", "seed", "tag", "value")


class History:
    """Appends logged values to a CSV file; values logged beyond the step that a run resumes from are dropped.

    Args:
        folder: where `history.csv` stands, or will.
        resume_step: keep what was logged before this update; 0 starts anew.
    """

    def __init__(self, folder: Path, resume_step: int = 0) -> None:
        self._path = folder / HISTORY_NAME
        kept = []
        if resume_step > 0 and self._path.is_file():
            with self._path.open(newline="", encoding="utf-8") as file:
                kept = [
                    row for row in list(csv.reader(file))[1:] if len(row) == 4 and is_kept(row, resume_step)
                ]
        with self._path.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([HEADER, *kept])

    def append(self, rows: list[tuple[int, int, str, float]]) -> None:
        """Write rows and hand them to the operating system: a killed run keeps what was logged."""
        with self._path.open("a", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows(rows)


def is_kept(row: list[str], resume_step: int) -> bool:
    """Training values belong to the update that follows; validation values to the updates done."""
    step, tag = int(row[0]), row[2]
    return step < resume_step or (step == resume_step and tag.startswith("val/"))
