"""Runnable measurements: each prints a table, and writes JSON with `--json FILE`."""
