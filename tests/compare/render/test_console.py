"""What a terminal shows."""

import io

from rich.console import Console

from cells.compare.render.console import show


def printed(report, width: int = 140) -> str:
    console = Console(file=io.StringIO(), width=width)
    show(report.judgements, report.suite, ["something"], console)
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_tables_verdicts_and_what_is_missing_are_printed(report) -> None:
    text = printed(report("gru", "lstm"))
    for expected in (
        "adding length=10: test mse",
        "gru beats lstm",
        "Over all 2 comparisons",
        "Beside gru 2018, Table 1",
        "A note on gru.",
        "missing: something",
    ):
        assert expected in text


def test_brackets_in_a_name_are_no_markup(report) -> None:
    text = printed(report("[bold red]mine[/nothing]", "gru"))
    assert "[bold red]mine[/nothing] beats gru" in text


def test_a_narrow_terminal_gets_fewer_columns_and_no_ellipsis(report) -> None:
    found = report("gru", "lstm")
    results = {width: printed(found, width).partition("gru beats")[0] for width in (140, 80, 60)}
    assert "steps to solve" in results[140]
    assert "steps to solve" not in results[80]
    assert "finished" in results[80]
    assert all("…" not in text for text in results.values())
