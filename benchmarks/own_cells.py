"""A cell of one's own with `engine=deferred`, against the loop: where the automatic choice takes it.

A GRU written by hand, forward and backward, 60 steps, float32. Every point has a fresh process for each engine, for its
memory.
"""

from typing import Any

from benchmarks.kernels import ours
from benchmarks.measuring import in_fresh_processes, parser, report

STEPS, FEATURES = 60, 8
HIDDEN = (64, 128, 256, 512)
BATCHES = (1, 4, 16, 64)
REPLICAS = (1, 5)
LARGEST_STATE = 64 * 512
"""Elements of the state of all replicas, to keep the benchmark short."""


def main() -> None:
    asked = parser("benchmarks.own_cells", __doc__).parse_args()
    points = [
        (replicas, hidden, batch)
        for replicas in (REPLICAS[:1] if asked.quick else REPLICAS)
        for hidden in (HIDDEN[2:] if asked.quick else HIDDEN)
        for batch in (BATCHES[1:2] if asked.quick else BATCHES)
        if replicas * batch * hidden <= LARGEST_STATE
    ]
    rows: list[dict[str, Any]] = []
    for replicas, hidden, batch in points:
        shape = (replicas, batch, STEPS, FEATURES, hidden)
        (peer, peer_bytes), (us, our_bytes) = in_fresh_processes(
            [
                (True, ours, ("own gru", engine, *shape), ("own gru", engine, 1, 1, 1, 1, 1))
                for engine in ("reference", "deferred")
            ],
            rounds=5 if asked.quick else 11,
        )
        rows.append(
            {
                "replicas": replicas,
                "hidden": hidden,
                "batch": batch,
                "loop ms": peer * 1e3,
                "deferred ms": us * 1e3,
                "deferred against the loop": us / peer,
                "loop MB": peer_bytes / 1e6,
                "deferred MB": our_bytes / 1e6,
            }
        )
    report("A cell of one's own", rows, asked)


if __name__ == "__main__":
    main()
