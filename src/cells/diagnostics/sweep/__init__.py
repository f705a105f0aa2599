"""What the runs of a sweep found out about memory and gradients, side by side: `python -m cells.diagnostics.sweep`."""
