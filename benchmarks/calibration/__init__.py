"""Does the verdict keep its word? Its tests, on scores whose truth is known: `python -m benchmarks.calibration`."""
