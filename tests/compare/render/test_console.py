"""What a terminal shows."""

import io

from rich.console import Console

from cells.compare.render.console import show


def printed(report) -> str:
    console = Console(file=io.StringIO(), width=140)
    show(report.judgements, report.suite, ["something"], console)
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_tables_verdicts_and_what_is_missing_are_printed(report) -> None:
    text = printed(report("gru", "lstm"))
    for expected in (
        "adding length=10: test mse",
        "gru beats lstm",
        "Over all 2 comparisons",
        "missing: something",
    ):
        assert expected in text


def test_brackets_in_a_name_are_no_markup(report) -> None:
    text = printed(report("[bold red]mine[/nothing]", "gru"))
    assert "[bold red]mine[/nothing] beats gru" in text
