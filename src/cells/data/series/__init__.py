"""Real series and labelled sequences: reading, windows, splits, scaling by the training part, baselines."""
