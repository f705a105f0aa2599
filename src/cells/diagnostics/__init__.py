"""What gradients and states tell about a cell: pure functions, logged on a schedule."""
