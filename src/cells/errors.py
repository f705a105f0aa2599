"""The one exception that means "the user can mend this", and how to suggest the nearest valid name."""

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """Bad input, told in one sentence: what is wrong, where, and what to do. Ends the program with exit code 2."""


def did_you_mean(name: str, valid: Iterable[str]) -> str:
    """A clause to end an error message with: the nearest valid names, or all of them if none is near."""
    valid = list(dict.fromkeys(valid))
    section, _, leaf = name.rpartition(".")
    siblings = [option for option in valid if section and option.rpartition(".")[0] == section]
    # `hidden_size` should find `model.hidden_size`: compare last components first, whole names second.
    same_leaf = [option for option in valid if option.rpartition(".")[2] == leaf]
    near = same_leaf[:3]
    if not near and siblings:
        valid = siblings
        alike = difflib.get_close_matches(leaf, [option.rpartition(".")[2] for option in siblings])
        near = [f"{section}.{option}" for option in alike]
    elif not near:
        near = difflib.get_close_matches(name, valid)
    if near:
        return "did you mean " + " or ".join(repr(option) for option in near) + "?"
    if not valid:
        return "there is nothing to choose from."
    listed = ", ".join(sorted(valid)[:20])
    return f"choose from: {listed}{', …' if len(valid) > 20 else ''}."
