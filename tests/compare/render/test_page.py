"""The report: escaped, self-contained, and seen by a browser."""

import html
import re
import shutil
import subprocess

import pytest

from cells.compare.render.figures import draw
from cells.compare.render.page import page
from cells.compare.report import REPORT_NAME, conclude, write

from .conftest import HOSTILE

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def written(report) -> str:
    return page(report.judgements, report.suite, report.missing, draw(report.judgements))


def heading(text: str) -> str:
    found = re.search(r"<body>\s*<h1>(.*?)</h1>", text)
    assert found is not None
    return html.unescape(found[1])


def test_the_verdict_comes_first(report) -> None:
    text = written(report("gru", "elman", "lstm"))
    assert heading(text).startswith(
        "gru ranks best over 2 comparisons (mean rank 1.05; elman 2.1, lstm 2.85)"
    )
    assert "<li>gru beats elman (10 of 10 seeds, p = 0.0059) and lstm" in text.partition("<table>")[0]
    places = [
        text.index(part)
        for part in ("<h1>", 'class="verdict"', "<table>", "<figure>", "settings that differ")
    ]
    assert places[0] < places[1] < places[4]
    assert "Environment" in text
    assert "<caption>adding: replicas that solved it, by length</caption>" in text
    assert text.count("<caption>Beside gru 2018, Table 1</caption>") == 2


def test_the_only_verdict_is_the_heading_and_is_not_said_twice(make_run, tmp_path) -> None:
    for place, model in enumerate(("gru", "elman")):
        make_run(model, [0.1 + place / 10 + seed / 1000 for seed in range(7)])
    text = written(conclude([tmp_path], tmp_path))
    assert heading(text) == "gru beats elman (7 of 7 seeds, p = 0.00058) on adding."
    assert text.partition("</h1>")[2].count("gru beats elman") == 0
    assert "2 models · 7 seeds each · at most 100 updates" in text


def test_nothing_is_fetched_from_anywhere(report) -> None:
    text = written(report("gru", "lstm"))
    sources = re.findall(r"(?:src|href|url)\s*[=(]\s*[\"']?([^\"')\s>]+)", text)
    assert sources
    assert all(source.startswith("data:image/svg+xml;base64,") for source in sources)


def test_names_are_escaped_wherever_they_stand(report) -> None:
    text = written(report(HOSTILE, "gru"))
    assert "<script" not in text
    assert "&lt;script&gt;" in text


def test_what_is_missing_is_said_before_all_else(report, make_run, tmp_path) -> None:
    make_run("late", [0.1], status="failed", folder="sweep/late")
    text = written(report("gru", "lstm"))
    assert text.index("late failed") < text.index("<table>")


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")
def test_a_browser_shows_the_report_and_runs_nothing_in_it(report, tmp_path) -> None:
    path = write(report(HOSTILE, "elman", "lstm"), tmp_path / "seen")
    assert path.name == REPORT_NAME
    finished = subprocess.run(
        [
            str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}",
            "--dump-dom", path.as_uri(),
        ],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert finished.returncode == 0
    dom = finished.stdout
    assert dom.count("<figure>") == 12
    assert "<script" not in dom
    assert "beats" in html.unescape(dom)
