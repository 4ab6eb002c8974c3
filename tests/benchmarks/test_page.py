import base64
import re
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest

from benchmarks.figures import draw_numbers
from benchmarks.page import page

from .synthetic import ROWS, numbers, table, write_numbers

VOID = {"meta", "img", "br", "link", "hr", "input"}


class Reader(HTMLParser):
    """Tags with their attributes, text by tag, and whether every tag is closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text: dict[str, list[str]] = {}
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and data.strip():
            self.text.setdefault(self.open[-1], []).append(data.strip())

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.found if name == tag]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    into = tmp_path_factory.mktemp("into")
    write_numbers(into, *numbers(ROWS))
    draw_numbers(table(), into)
    return into


def rendered(figures: Path, records: dict[str, dict[str, object]] | None = None) -> str:
    found = numbers(ROWS[:2])
    return page(table(references=ROWS[:1]), *found, figures / "figures", records)


@pytest.fixture(scope="module")
def html(folder: Path) -> str:
    return rendered(folder)


def test_tags_are_closed_and_ids_unique(html: str) -> None:
    reader = Reader(html)
    assert reader.open == []
    ids = [attributes["id"] for _, attributes in reader.found if "id" in attributes]
    assert len(ids) == len(set(ids))
    targets = [str(a["href"]) for a in reader.all("a") if str(a["href"]).startswith("#")]
    assert {target[1:] for target in targets} == set(ids)


def test_nothing_is_loaded_from_elsewhere(html: str) -> None:
    reader = Reader(html)
    assert not reader.all("link")
    assert all("src" not in attributes for attributes in reader.all("script"))
    assert all(str(a["src"]).startswith("data:image/png;base64,") for a in reader.all("img"))
    assert not re.search(r"https?://|@import|url\(", html)
    assert {a["href"] for a in reader.all("a") if not str(a["href"]).startswith("#")} == {
        "runs.csv", "values.csv", "cases.csv"
    }  # fmt: skip


def test_figures_are_the_files_bytes_with_their_size(html: str, folder: Path) -> None:
    pictures = Reader(html).all("img")
    files = [base64.b64decode(str(a["src"]).split(",")[1]) for a in pictures]
    assert files == [(folder / "figures" / f"{k}.png").read_bytes() for k in ("curves", "ranks")]
    assert all(int(str(a["width"])) > 600 and a["alt"] for a in pictures)


def test_a_missing_figure_is_left_out(tmp_path: Path) -> None:
    assert not Reader(rendered(tmp_path)).all("img")


def test_headings_sort_by_button_and_cells_by_number(html: str) -> None:
    reader = Reader(html)
    headings = [a for a in reader.all("th") if a.get("scope") == "col"]
    assert headings
    assert all(a["aria-sort"] == "none" for a in headings)
    assert len(reader.all("button")) == len(headings)
    main = html[html.index("<table>") : html.index("</table>")]
    keys = re.findall(r'<td data-key="(.*?)".*?>(.*?)<', main)
    assert len(keys) == 3 * 8
    for key, text in keys:
        assert key == ("" if text == "–" else text.split(" ")[0])  # noqa: RUF001
    assert sum(key == "" for key, _ in keys) == 8


def test_intervals_are_in_a_line_of_their_own(html: str) -> None:
    assert re.search(r"<td [^>]*>0\.\d{3} ± [^<]*<small>\[0\.\d{3}, 0\.\d{3}\]</small></td>", html)


def test_words_and_numbers_beside_words_sort_as_text(tmp_path: Path) -> None:
    found = numbers(ROWS[:2])
    text = page(table(), *found, tmp_path, None)
    published = text[text.index('id="published-numbers"') :]
    assert 'data-key="15 test patients, best on test" class="words"' in published
    assert 'data-key="0.790">0.790 ± 0.040' in published


def test_text_is_escaped(tmp_path: Path) -> None:
    found = numbers(("<b>x</b> & y",))
    text = page(table(("<b>x</b> & y",)), *found, tmp_path, None)
    assert "<b>" not in text
    assert "&lt;b&gt;x&lt;/b&gt; &amp; y" in text


def test_runs_and_their_configurations_are_part_of_the_page(folder: Path) -> None:
    records = {"0010": {"method": {"losses": [{"weight": 0.5}]}}, "other": {}}
    reader = Reader(rendered(folder, records))
    assert reader.text["summary"] == ["full supervision, five_fold, fold 1, seed 0 (0010)"]
    assert '"weight": 0.5' in reader.text["pre"][0]
    assert "0110" in reader.text["th"]
    assert not Reader(rendered(folder)).all("details")


def test_phantoms_are_labelled(folder: Path, html: str) -> None:
    runs, *rest = numbers(ROWS[:2])
    text = page(table(), runs.assign(data="phantom"), *rest, folder, None)
    assert any("PHANTOM" in part for part in Reader(text).text["p"])
    assert "PHANTOM" not in html


def test_a_page_is_a_pure_function_and_says_no_nan(html: str, folder: Path) -> None:
    assert rendered(folder) == html
    visible = re.sub(r"base64,[^\"]*|<script>.*</script>", "", html, flags=re.DOTALL)
    assert "nan" not in re.findall(r"[a-z]+", visible.lower())
    assert "None" not in visible


def test_twenty_five_rows_stay_a_page_of_reasonable_size(tmp_path: Path) -> None:
    rows = tuple(f"method {i}" for i in range(25))
    found = numbers(rows, patients=5)
    text = page(table(rows, references=rows[:2]), *found, tmp_path, None)
    assert len(text) < 200_000
    assert pd.Series(re.findall(r"method \d+", text)).nunique() == 25
