"""Synthetic tasks: one file and one class a task, each a pure function of (settings, seed)."""
