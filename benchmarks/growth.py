"""Time and largest memory of a pass against time steps, hidden size and replicas: the fused engine beside `torch.nn`.

A GRU, batch 32, one input feature; where one number grows, the others stay at 100 steps, 64 hidden units and one
replica. As many replicas of `torch.nn` run one after the other. Every point has two fresh processes, for its memory.
"""

from typing import Any

from benchmarks.kernels import ours, theirs
from benchmarks.measuring import in_fresh_processes, parser, report

STEPS = (50, 100, 200, 400, 800, 1600, 3200)
HIDDEN = (16, 32, 64, 128, 256, 512)
REPLICAS = (1, 2, 4, 8, 16, 32, 64)


def theirs_repeated(replicas: int, steps: int, hidden: int) -> Any:
    """As many passes of `torch.nn` as there are replicas."""
    work = theirs("gru", 32, steps, 1, hidden)

    def repeated() -> None:
        for _ in range(replicas):
            work()

    return repeated


def main() -> None:
    asked = parser("benchmarks.growth", __doc__).parse_args()
    few = slice(0, 2) if asked.quick else slice(None)
    points = [
        *(("time steps", steps, (1, steps, 64)) for steps in STEPS[few]),
        *(("hidden size", hidden, (1, 100, hidden)) for hidden in HIDDEN[few]),
        *(("replicas", replicas, (replicas, 100, 64)) for replicas in REPLICAS[few]),
    ]
    rows: list[dict[str, Any]] = []
    for name, value, (replicas, steps, hidden) in points:
        (peer, peer_bytes), (us, our_bytes) = in_fresh_processes(
            [
                (False, theirs_repeated, (replicas, steps, hidden), (1, 1, 1)),
                (
                    True,
                    ours,
                    ("gru", "fused", replicas, 32, steps, 1, hidden),
                    ("gru", "fused", 1, 1, 1, 1, 1),
                ),
            ],
            rounds=2 if asked.quick else 5,
        )
        rows.append(
            {
                "growing": name,
                "to": value,
                "torch.nn ms": peer * 1e3,
                "fused ms": us * 1e3,
                "times faster": peer / us,
                "torch.nn MB": peer_bytes / 1e6,
                "fused MB": our_bytes / 1e6,
            }
        )
    report("A GRU growing", rows, asked)


if __name__ == "__main__":
    main()
