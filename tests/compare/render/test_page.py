"""The report: escaped, self-contained, and seen by a browser."""

import html
import json
import re
import shutil
import subprocess
from html.parser import HTMLParser

import pytest

from cells.compare.render.figures import draw
from cells.compare.render.page import page
from cells.compare.report import REPORT_NAME, conclude, write
from cells.record import write_record

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


class Elements(HTMLParser):
    """The tags of a page, the names of their attributes, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.texts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


TAGS = set(
    [
        "html",
        "head",
        "meta",
        "title",
        "style",
        "body",
        "h1",
        "h2",
        "h3",
        "p",
        "ul",
        "li",
        "div",
        "table",
        "caption",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
    ]
)
FIGURES = {"figure", "img", "figcaption"}
ATTRIBUTES = {"lang", "charset", "name", "content", "http-equiv", "class", "src", "alt"}


def test_whatever_a_record_says_adds_no_element_and_no_attribute(make_run, report, tmp_path) -> None:
    found = Elements(written(report(HOSTILE, "gru")))
    assert found.tags == TAGS - {"h3"} | FIGURES
    assert found.attributes == ATTRIBUTES

    evil = "\"'><img src=x onerror=alert(1)>&lt;"
    folders = [
        make_run(
            model + evil,
            [0.1, 0.2],
            data=evil,
            settings={"data.length": length + evil},
            folder=f"evil/{model}-{length}",
        )
        for model in ("gru", "lstm")
        for length in ("10", "20")
    ]
    for folder in folders:
        record = json.loads((folder / "record.json").read_text())
        record["data"]["note"] = record["environment"]["device"] = record["message"] = evil
        record["environment"]["command"] = [evil]
        write_record(folder, record)
    write_record(tmp_path / "evil", record | {"status": "failed", "message": evil})
    hostile = conclude([tmp_path / "evil"], tmp_path)
    found = Elements(page(hostile.judgements, hostile.suite, hostile.missing, drawings=[]))
    assert found.tags == TAGS
    assert found.attributes == ATTRIBUTES - {"src", "alt"}
    assert sum(evil in text for text in found.texts) > 20


def test_a_command_can_be_pasted_into_a_shell(make_run, tmp_path) -> None:
    folder = make_run("gru", [0.1])
    record = json.loads((folder / "record.json").read_text())
    record["environment"]["command"] = ["train.py", "model.hidden_size=choice(16)", "seeds=2"]
    write_record(folder, record)
    text = written(conclude([tmp_path], tmp_path))
    assert "command: train.py 'model.hidden_size=choice(16)' seeds=2" in html.unescape(text)


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
