"""The command line: what is asked, what is refused and why, and the exit code.

Importing this package costs milliseconds: Hydra is imported when something is to be composed, torch when something
is to be trained.
"""

import os
import sys

EXIT_FAILED = 1
EXIT_REFUSED = 2
EXIT_INTERRUPTED = 130

ONLY_PRINT = ("--help", "-h", "--version", "--cfg", "-c", "--info", "-i", "--hydra-help")
"""Arguments with which nothing is trained."""


def main() -> int:
    """Run the program on `sys.argv`; the result is its exit code.

    0 all well; 1 a run failed; 2 the input was refused, before anything was trained; 130 interrupted by
    Ctrl-C or SIGTERM.
    """
    arguments = sys.argv[1:]
    if any(argument.partition("=")[0] in ONLY_PRINT for argument in arguments):
        from cells.pipes import end_with_reader

        end_with_reader()
    if "--help" in arguments or "-h" in arguments:
        from cells.cli.help import help_text

        print(help_text(arguments))
        return 0
    if "--version" in arguments:
        from importlib.metadata import version

        print(f"recurrent-cells {version('recurrent-cells')}")
        return 0
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())  # a user's own module stands beside where the program is called

    try:
        from cells.cli.hydra_entry import call_hydra
    except KeyboardInterrupt:  # while Hydra was still being imported
        return EXIT_INTERRUPTED
    return call_hydra(arguments)
