"""A judged sweep to draw, plain or hostile."""

import numpy as np
import pytest

from cells.compare.report import Report, conclude

HOSTILE = "<script>alert(1)</script>$\\frac{$_x_|`*&\"'\n=cmd"


@pytest.fixture
def report(make_run, tmp_path):
    """A comparison of three models on two lengths, with curves, heatmaps and a diverged run; names as one wishes."""

    def report(*names: str) -> Report:
        random = np.random.default_rng(0)
        published = {
            "source": f"{names[0]} 2018, Table 1",
            "chance": 1.0,
            "results": [{"where": {"model": names[0]}, "values": [0.15, 2.0]}],
            "note": f"A note on {names[0]}.",
        }
        for length in (10, 20):
            for place, name in enumerate(names):
                scores = [0.1 * (place + 1) + seed / 100 for seed in range(9)]
                folder = make_run(
                    name,
                    [*scores, None] if place == 1 else [*scores, 0.3],
                    folder=f"sweep/{length}-{place}",
                    settings={"data.length": length},
                    solved_at=0.155,
                    solved_after={0: 50},
                    baselines={"training mean": {"mse": 1.0}, f"{names[0]} baseline": {"mse": 0.9}},
                    diagnostics={"memory_horizon": [4] * 10},
                    published=published,
                )
                lines = [
                    f"{step},{seed},val/mse,{scores[seed] * 100 / step}\n"
                    for seed in range(9)
                    for step in (50, 100)
                ]
                (folder / "history.csv").write_text("step,seed,tag,value\n" + "".join(lines))
                np.savez(
                    folder / "diagnostics.npz",
                    **{
                        "memory/lag": np.arange(1, 6),
                        "memory/r2": random.random((10, 5)),
                        "gradient_through_time/lag": np.arange(8),
                        "gradient_through_time/steps": np.array([0, 50, 100]),
                        "gradient_through_time/l0/h": 0.5 ** np.arange(8) * random.random((3, 10, 8)),
                    },
                )
        return conclude([tmp_path / "sweep"], tmp_path / "sweep")

    return report
