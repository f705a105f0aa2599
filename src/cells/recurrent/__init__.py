"""Recurrent cells, the networks made of them, and the engines that unroll them over time."""
