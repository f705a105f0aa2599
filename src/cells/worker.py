"""One of the further processes of a distributed training: `python -m cells.worker CONFIG`. Started by the first."""

import logging
import sys
from pathlib import Path

import yaml

from cells.training.processes import end_with_parent, tell_parent


def main(config_path: Path) -> None:
    """Train along with the first process, which alone validates what counts, logs and writes."""
    end_with_parent()
    from cells.run import train_along

    logging.basicConfig(level=logging.WARNING)
    train_along(yaml.safe_load(config_path.read_text(encoding="utf-8")), config_path.parent, tell_parent)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
