"""The configuration that ships with the package: `pkg://cells.conf`."""
