"""Folder names: readable, safe, distinct; and never the same folder twice."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from cells.folders import SLUG_LENGTH, claim, slug


def test_a_slug_is_readable_and_has_no_path_in_it() -> None:
    name = slug(["model=lstm", "data.path=/tmp/../my data.csv"])
    assert name.startswith("model=lstm,data.path=tmp")
    assert not set(name) & set("/ \\:*?\"<>|'")


def test_slugs_are_bounded_and_differ_where_the_readable_part_cannot_show_it() -> None:
    long, longer = slug(["key=" + "a" * 200]), slug(["key=" + "a" * 201])
    assert len(long) <= SLUG_LENGTH
    assert long != longer


def test_jobs_started_at_once_get_a_folder_each(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        folders = list(pool.map(lambda _: claim(tmp_path, "run"), range(24)))
    assert len(set(folders)) == 24
