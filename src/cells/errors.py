"""The one exception that means "the user can mend this", and how to suggest the nearest valid name."""

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """Bad input, told in one sentence: what is wrong, where, and what to do. Ends the program with exit code 2."""


def did_you_mean(name: str, valid: Iterable[str]) -> str:
    """A clause to end an error message with: the nearest valid names, or all of them if none is near."""
    valid = list(dict.fromkeys(valid))
    # `hidden_size` should find `model.hidden_size`: compare last components first, whole names second.
    same_leaf = [option for option in valid if option.rpartition(".")[2] == name.rpartition(".")[2]]
    near = same_leaf[:3] or difflib.get_close_matches(name, valid, n=3, cutoff=0.6)
    if near:
        return "did you mean " + " or ".join(repr(option) for option in near) + "?"
    if not valid:
        return "there is nothing to choose from."
    listed = ", ".join(sorted(valid)[:20])
    return f"choose from: {listed}{', …' if len(valid) > 20 else ''}."
