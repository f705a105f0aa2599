"""Sequences to train on: synthetic tasks, real series, and the LightningDataModule over either."""
