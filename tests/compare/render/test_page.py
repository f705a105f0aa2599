"""The report: escaped, self-contained, and seen by a browser."""

import html
import re
import shutil
import subprocess

import pytest

from cells.compare.render.figures import draw
from cells.compare.render.page import page
from cells.compare.report import REPORT_NAME, write

from .conftest import HOSTILE

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def written(report) -> str:
    return page(report.judgements, report.suite, report.missing, draw(report.judgements))


def test_the_verdict_comes_first(report) -> None:
    text = written(report("gru", "elman", "lstm"))
    heading = re.search(r"<h1>(.*?)</h1>", text)
    assert heading is not None
    assert html.unescape(heading[1]).startswith("gru beats elman (10 of 10 seeds, p = 0.0059) and lstm")
    places = [
        text.index(part)
        for part in ("<h1>", 'class="verdict"', "<table>", "<figure>", "settings that differ")
    ]
    assert places[0] < places[1] < places[4]
    assert "Environment" in text
    assert "<caption>adding: replicas that solved it, by length</caption>" in text
    assert text.count("<caption>Beside gru 2018, Table 1</caption>") == 2


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
