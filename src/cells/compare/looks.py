"""How often the same comparison has been looked at: adding seeds until a test says yes would find something in noise.

Look k tests at 0.05/2ᵏ, so that all looks together stay below 0.05, however many there will be. Reading unchanged
scores again is the same look; and a look that could not have led to a claim is none.
"""

import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cells.compare.load import Comparison
from cells.errors import UserError

LOOKS_NAME = "looks.json"
ALPHA = 0.05
"""The chance of any false claim in a comparison, over all its pairs and looks."""


class Looks:
    """The looks at comparisons, kept in `looks.json`: data → scores seen, each with its time.

    Args:
        folder: where the file stands, or will.
        single: the user promises to look once, so that this look may spend all of ALPHA.

    Raises:
        UserError: the file cannot be read, or the promise comes after a first look.
    """

    def __init__(self, folder: Path, single: bool = False) -> None:
        self._path, self._single = folder / LOOKS_NAME, single
        try:
            self._looks: dict[str, list[dict[str, Any]]] = (
                json.loads(self._path.read_text(encoding="utf-8")) if self._path.is_file() else {}
            )
        except (OSError, ValueError) as error:
            raise UserError(
                f"{self._path}: cannot be read ({error}); restore it, or delete it if it is lost."
            ) from error

    def alpha(self, comparison: Comparison) -> tuple[int, float]:
        """The number of this look, from 1, and the level it may test at (0 after a look that spent everything)."""
        looks = self._looks.get(_name(comparison), [])
        seen = [look["scores"] for look in looks]
        scores = _fingerprint(comparison)
        number = seen.index(scores) + 1 if scores in seen else len(seen) + 1
        singles = [look["single"] for look in looks]
        if self._single and not all(singles):
            raise UserError(
                f"--single-look: {comparison.label} was looked at on {looks[0]['at'][:10]}; leave the option out."
            )
        if any(singles) or self._single:
            return number, ALPHA if number == 1 else 0.0
        return number, ALPHA / 2**number

    def record(self, comparison: Comparison) -> None:
        """Write this look down, unless it is an old one.

        Raises:
            UserError: the file cannot be written.
        """
        looks = self._looks.setdefault(_name(comparison), [])
        scores = _fingerprint(comparison)
        if all(look["scores"] != scores for look in looks):
            at = datetime.now(UTC).isoformat(timespec="seconds")
            looks.append({"at": at, "single": self._single, "scores": scores})
            try:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                self._path.write_text(json.dumps(self._looks, indent=2) + "\n", encoding="utf-8")
            except OSError as error:
                raise UserError(
                    f"{self._path}: this look cannot be written down ({error}); name a folder with --output."
                ) from error


def _name(comparison: Comparison) -> str:
    return f"{comparison.data} {comparison.question}"


def _fingerprint(comparison: Comparison) -> str:
    scores = {c.name: [(score.seed, score.value) for score in c.scores] for c in comparison.contestants}
    return hashlib.sha256(json.dumps(scores, sort_keys=True).encode()).hexdigest()[:16]
