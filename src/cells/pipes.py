"""What reads the output of a program that only prints; importing this costs nothing."""

import signal


def end_with_reader() -> None:
    """Let the program end without a word when what reads it ends, as `| head` does."""
    if hasattr(signal, "SIGPIPE"):
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
