"""Results for other programs, whatever a model is called."""

import csv
import io
import json
import re

import pytest

from cells.compare.render.export import published_to_csv, to_csv, to_json, to_latex, to_markdown

from .conftest import HOSTILE


def test_csv_has_a_row_for_every_replica_with_its_whole_score(report) -> None:
    rows = list(csv.DictReader(io.StringIO(to_csv(report("gru", "elman").judgements))))
    assert len(rows) == 2 * 2 * 10
    first = rows[0]
    assert (first["data"], first["model"], first["seed"], first["score"]) == (
        "adding length=10",
        "gru",
        "0",
        "0.1",
    )
    assert first["steps_to_solve"] == "50"
    diverged = [row for row in rows if row["status"] == "diverged"]
    assert [(row["model"], row["seed"], row["score"]) for row in diverged] == [("elman", "9", "")] * 2


def test_a_name_that_looks_like_a_formula_is_none_in_a_spreadsheet(report) -> None:
    rows = list(csv.DictReader(io.StringIO(to_csv(report("=HYPERLINK(1)", "gru").judgements))))
    assert {row["model"] for row in rows} == {"'=HYPERLINK(1)", "gru"}


def test_json_holds_every_conclusion_and_is_strict(report) -> None:
    found = report("gru", "elman")
    text = to_json(found.judgements, found.suite)
    content = json.loads(text, parse_constant=pytest.fail)
    first = content["comparisons"][0]
    assert first["verdict"][0].startswith("gru beats elman")
    assert first["models"][1]["scores"]["9"] is None
    assert first["pairs"][0]["claim"]["p"] == 2 / 2**10
    assert content["suite"]["rows"][0]["name"] == "gru"
    gru, elman = first["published"][0]["rows"]
    assert (gru["theirs"], gru["their_chance"], gru["consistent"]) == ([0.15, 2.0], [1, 2], False)
    assert elman["interval"][1] is None


def test_published_numbers_have_a_table_of_their_own(report) -> None:
    rows = list(csv.DictReader(io.StringIO(published_to_csv(report("=1", "elman").judgements))))
    assert len(rows) == 2 * 2
    first = rows[0]
    assert (first["model"], first["source"], first["theirs"]) == ("'=1", "'=1 2018, Table 1", "0.15 2.0")
    assert (first["theirs_at_chance"], first["ours_at_chance"], first["consistent"]) == (
        "1 of 2",
        "0 of 10",
        "False",
    )
    assert float(first["low"]) < float(first["ours"]) < float(first["high"])


def test_markdown_tables_survive_any_name(report) -> None:
    found = report(HOSTILE, "gru")
    text = to_markdown(found.judgements, found.suite, ["lost & <gone>"])
    assert "<script>" not in text
    assert "lost &amp; &lt;gone&gt;" in text
    assert "### Beside &lt;script&gt;" in text
    for table in (part for part in text.split("\n\n") if part.startswith("| ")):
        widths = {line.replace("\\|", "").count("|") for line in table.splitlines()}
        assert len(widths) == 1


def test_latex_escapes_what_it_would_execute(report) -> None:
    found = report(HOSTILE, "gru")
    text = "".join(
        line
        for line in to_latex(found.judgements, found.suite).splitlines(keepends=True)
        if not line.startswith("% ")
    )
    assert r"\frac" not in text
    assert "script>" not in text
    assert r"\textless{}script\textgreater{}" in text
    assert r"\$\textbackslash{}frac\{\$\_x\_" in text
    tables = re.findall(r"\\begin\{tabular\}\{(\w+)\}(.*?)\\end\{tabular\}", text, flags=re.DOTALL)
    assert len(tables) == 3  # two lengths, and both together
    for columns, body in tables:
        rows = [line for line in body.splitlines() if line.endswith(r"\\")]
        assert [line.count(" & ") for line in rows] == [len(columns) - 1] * len(rows)


def test_latex_takes_no_row_s_name_for_an_argument_of_the_line_break_before_it(report) -> None:
    """`\\\\[x]` asks for vertical space, and a star is swallowed."""
    found = report("[2cm] gru", "*lstm")
    rows = [line for line in to_latex(found.judgements, found.suite).splitlines() if line.endswith(r"\\")]
    assert not [row for row in rows if row.startswith(("[", "*"))]
    assert [row for row in rows if row.startswith("{[}2cm] gru &")]
    assert [row for row in rows if row.startswith("{*}lstm &")]


def test_latex_tables_fit_a_page_and_stand_under_their_verdict(report) -> None:
    found = report("gru", "lstm")
    text = to_latex(found.judgements, found.suite)
    assert (
        r"95 \% of the mean & median & finished & solved & steps to solve & memory horizon & parameters \\"
        in text
    )
    assert "% gru beats lstm (10 of 10 seeds, p = 0.002) on adding length=10." in text.splitlines()
