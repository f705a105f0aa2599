"""What `learner.carry_state=true` asks of the data, the machine and a checkpoint."""

from collections.abc import Mapping
from typing import Any

from cells.data.sequences import SequenceData
from cells.errors import UserError


def refuse_unordered(content: SequenceData, batch_size: int, processes: int) -> None:
    """Refuse to carry a state over a training split that does not make `batch_size` streams.

    Raises:
        UserError: the sequences do not follow one another, a stream would be of one sequence, or several processes
            share the batches.
    """
    train, asked = content.train, "learner.carry_state=true"
    follows = train.follows
    if follows is None or any(split.follows is None for split in content.splits.values()):
        raise UserError(
            f"{asked}: the sequences of {content.name} are independent of one another, so that there is no state to "
            "carry; choose a series, such as data=sunspots, or leave it out."
        )
    if not follows.any():
        raise UserError(
            f"{asked}: windows have to follow one another without overlap and on one scale; set "
            f"data.stride={train.inputs.shape[1]} (data.window) and data.normalize=series."
        )
    if len(train) < 2 * batch_size:
        raise UserError(
            f"data.batch_size={batch_size}: {asked} needs at least two sequences after one another in each of so many "
            f"streams, and there are {len(train)} in all; set it to {len(train) // 2} or less."
        )
    if processes > 1:
        raise UserError(f"{asked}: several processes do not share streams; set trainer.devices=1.")


def carried_streams(checkpoint: Mapping[str, Any]) -> int:
    """How many streams a checkpoint has the state of; 0 if none was carried."""
    states = checkpoint.get("carried_state") or []
    return int(states[0]["h"].shape[1]) if states else 0
