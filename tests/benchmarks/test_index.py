from dataclasses import replace
from pathlib import Path

from benchmarks.index import index

from .synthetic import ROWS, numbers, table, write_numbers


def written(results: Path, name: str, **changes: object) -> None:
    runs, *rest = numbers(ROWS, folds=2)
    write_numbers(results / "rings" / name, runs.assign(**changes), *rest)


def test_every_folder_is_linked_with_what_it_holds(tmp_path: Path) -> None:
    written(tmp_path, "real-cpu", profile="cpu")
    text = index({"rings": table()}, tmp_path)
    assert "## Rings_and discs" in text
    line = next(line for line in text.splitlines() if "[real-cpu]" in line)
    parts = [part.strip() for part in line.strip("|").split("|")]
    assert parts[:8] == [
        "[real-cpu](rings/real-cpu/table.md)", "[HTML](rings/real-cpu/table.html)", "real", "cpu",
        "five_fold", "1, 2", "0", "3 of 3",
    ]  # fmt: skip


def test_the_best_rows_come_first_with_their_number(tmp_path: Path) -> None:
    written(tmp_path, "real-cpu")
    text = index({"rings": table()}, tmp_path)
    assert text.index("full supervision 0.8") < text.index("pCE & more 0.8")


def test_rows_that_are_not_finished_are_not_among_the_best(tmp_path: Path) -> None:
    runs, *rest = numbers(ROWS, folds=2)
    runs.loc[runs["run"] == "0020", "status"] = "failed"
    write_numbers(tmp_path / "rings" / "real-cpu", runs, *rest)
    text = index({"rings": table()}, tmp_path)
    assert "2 of 3" in text
    assert "full supervision" not in text


def test_phantoms_are_labelled(tmp_path: Path) -> None:
    written(tmp_path, "phantom-quick", data="phantom")
    written(tmp_path, "real-cpu")
    lines = index({"rings": table()}, tmp_path).splitlines()
    assert ["**PHANTOM**" in line for line in lines if "five_fold" in line] == [True, False]


def test_each_split_scheme_has_a_line(tmp_path: Path) -> None:
    runs, *rest = numbers(ROWS, folds=2)
    runs.loc[runs["fold"] == 2, "scheme"] = "stratified"
    write_numbers(tmp_path / "rings" / "real-cpu", runs, *rest)
    text = index({"rings": table()}, tmp_path)
    assert [s in text for s in ("five_fold", "stratified")] == [True, True]
    assert text.count("[real-cpu]") == 2


def test_tables_without_results_and_what_is_unknown_stay_out(tmp_path: Path) -> None:
    written(tmp_path, "real-cpu")
    other = replace(table(), name="squares", title="Squares")
    (tmp_path / "unknown" / "real-cpu").mkdir(parents=True)
    text = index({"rings": table(), "squares": other}, tmp_path)
    assert "Squares" not in text
    assert "unknown" not in text


def test_a_text_about_the_results_is_linked(tmp_path: Path) -> None:
    written(tmp_path, "real-cpu")
    assert "README.md" not in index({"rings": table()}, tmp_path)
    (tmp_path / "rings" / "README.md").write_text("well")
    assert "[rings/README.md](rings/README.md)" in index({"rings": table()}, tmp_path)


def test_nothing_finished_is_listed_with_dashes(tmp_path: Path) -> None:
    written(tmp_path, "real-cpu", status="failed")
    line = next(s for s in index({"rings": table()}, tmp_path).splitlines() if "[real" in s)
    assert "0 of 3" in line
    assert line.rstrip("| ").endswith("–")  # noqa: RUF001


def test_a_few_steps_are_no_result(tmp_path: Path) -> None:
    written(tmp_path, "real-cpu")
    before = index({"rings": table()}, tmp_path)
    written(tmp_path, "phantom-tiny", data="phantom", profile="tiny")
    assert index({"rings": table()}, tmp_path) == before
