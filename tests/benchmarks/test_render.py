import re
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from benchmarks.cells import NOTHING, Results
from benchmarks.collect import collect
from benchmarks.render import render, to_latex
from benchmarks.spec import Column, Reported, Row, Table
from weakseg.results import read_csv

from .synthetic import CASES, CLASSES, ROWS, numbers, table, write_run


@pytest.fixture(scope="module")
def into(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two folds and one stratified fold; the last row failed everywhere."""
    runs, tmp_path = [], tmp_path_factory.mktemp("runs")
    for shift, row in enumerate(ROWS[:2]):
        runs.append(write_run(tmp_path, f"f1{shift}", row=row, shift=shift, cases=CASES[:3]))
        runs.append(
            write_run(tmp_path, f"f2{shift}", row=row, shift=shift + 2, fold=2, cases=CASES[3:])
        )
        runs.append(
            write_run(
                tmp_path, f"s1{shift}", row=row, shift=shift, scheme="stratified", missed=CASES[1:2]
            )
        )
    runs.append(write_run(tmp_path, "f12", row=ROWS[2], status="failed"))
    collect(runs, tmp_path / "into")
    return tmp_path / "into"


def frames(into: Path):
    return [read_csv(into / f"{name}.csv") for name in ("runs", "values", "cases")]


def lines(text: str, start: str) -> list[list[str]]:
    found = [line for line in text.splitlines() if line.startswith(f"| {start} ")]
    return [[part.strip() for part in line.split(" | ")] for line in found]


def test_header_states_data_profile_split_selection_and_definitions(into: Path) -> None:
    text = render(table(), *frames(into))
    head = text[: text.index("## Split")]
    for part in (
        "# Rings_and discs",
        "**PHANTOM**",
        "content c0ffeec0ffee",
        "Profile: tiny; 400 optimisation steps",
        "five_fold, folds 1, 2, seeds 0, 4 test cases (3 patients)",
        "stratified, folds 1, seeds 0, 4 test cases",
        "last step",
        "absent from reference and prediction is not counted",
        "pooled surface distances of both directions",
        "none at all",
    ):
        assert part in head


def test_each_split_scheme_has_its_section_and_says_what_it_tests(into: Path) -> None:
    text = render(table(), *frames(into))
    five, stratified = text.index("## Split five_fold"), text.index("## Split stratified")
    assert "one disease group unseen in training" in text[five:stratified]
    assert "balanced over the groups of patients" in text[stratified:]
    assert "DCM 2, HCM 1, MINF 1" in text[five:stratified]


def test_folds_are_pooled_to_the_statistics_of_all_cases(into: Path) -> None:
    runs, values, cases = frames(into)
    group = Results(runs, values, cases).of_scheme("five_fold")
    pooled = group.pooled(ROWS[1], Column("dice", "mean"), "last")
    mine = cases[cases["run"].isin(["f11", "f21"]) & (cases["selection"] == "last")]
    expected = mine.groupby("case")["dice"].mean()
    assert pooled.n == 4
    assert pooled.value == pytest.approx(expected.mean(), rel=1e-5)
    assert pooled.sd == pytest.approx(expected.std(), rel=1e-4)


def test_cells_show_mean_spread_and_number_of_cases(into: Path) -> None:
    main = lines(render(table(), *frames(into)), "full supervision")[0]
    assert main[1].startswith("0.9")
    assert main[1].endswith("(4)")
    assert "<br>" not in main[1]
    assert "±" in main[1]
    assert main[7:] == ["0", "0 |"]


def test_missed_structures_stand_beside_the_distances(into: Path) -> None:
    text = render(table(), *frames(into))
    main = lines(text[text.index("## Split stratified") :], "full supervision")[0]
    assert main[5].endswith("(3)")
    assert main[7:] == ["1", "0 |"]


def test_rows_without_a_finished_run_are_en_dashes_with_a_reason(into: Path) -> None:
    text = render(table(), *frames(into))
    shown = lines(text, r"a\|b 50 %")[0][1:]
    assert {cell.strip(" |") for cell in shown} == {NOTHING}
    assert "- a|b 50 %: 0 of 2 runs done (fold 1, seed 0: failed; fold 2, seed 0: not run)" in text
    assert "- Not run: a|b 50 %" in text


def test_three_selections_stand_side_by_side_with_differences(into: Path) -> None:
    runs, values, cases = frames(into)
    text = render(table(), runs, values, cases)
    assert "best on test (optimistic)" in text
    assert "selects on test data" in text
    line = lines(text[text.index("### Choice") :], "pCE & more")[0]
    assert line[3].startswith("1.000")
    assert line[4] == "+0.000"
    assert float(line[5].strip(" |")) == pytest.approx(1 - float(line[1][:5]), abs=0.0011)
    assert "On average over the rows it adds +0." in text


def test_both_definitions_of_hd95_are_shown_per_class(into: Path) -> None:
    text = render(table(), *frames(into))
    for name in (*CLASSES, "mean"):
        assert f"HD95 {name} (mm)" in text
        assert f"HD95 max {name} (mm)" in text


def test_published_numbers_come_with_source_and_protocol_and_no_verdict(into: Path) -> None:
    text = render(table(), *frames(into))
    part = text[text.index("## Published") :]
    assert "0.790 ± 0.040" in part
    assert "A paper, Table 2" in part
    assert "15 test patients, best on test" in part
    assert "✓" not in text
    bare = replace(table(), rows=tuple(replace(row, reported=()) for row in table().rows))
    assert "## Published" not in render(bare, *frames(into))


def test_run_records_are_linked_and_add_up(into: Path) -> None:
    text = render(table(), *frames(into))
    assert "6 done, 1 failed; one line each in [runs.csv](runs.csv)" in text
    assert "Total time of the runs: 7 min" in text


def test_figures_stand_in_the_section_of_their_scheme(into: Path) -> None:
    text = render(table(), *frames(into))
    five, stratified = text.split("## Split stratified")
    assert "(figures/cases.png)" in five
    assert "(figures/curves.png)" in five
    assert "(figures/cases-stratified.png)" in stratified
    runs, values, cases = frames(into)
    assert "figures/" not in render(table(), runs.assign(status="failed"), values, cases)


def test_rendering_is_a_pure_function(into: Path) -> None:
    assert render(table(), *frames(into)) == render(table(), *frames(into))
    assert to_latex(table(), *frames(into)) == to_latex(table(), *frames(into))


def test_results_of_real_data_are_not_called_phantom(into: Path) -> None:
    runs, values, cases = frames(into)
    assert "PHANTOM" not in render(table(), runs.assign(data="real"), values, cases)


def test_nothing_finished_still_renders(tmp_path: Path) -> None:
    collect([write_run(tmp_path, "x", status="failed"), tmp_path / "y"], tmp_path / "into")
    assert "1 failed, 1 missing" in render(table(), *frames(tmp_path / "into"))
    assert r"pCE \& more & -- & --" in to_latex(table(), *frames(tmp_path / "into"))


def test_a_run_of_another_row_is_refused_with_the_nearest(into: Path) -> None:
    with pytest.raises(ValueError, match=r"no row 'pCE & more'; nearest is 'pCE & mare'"):
        render(table(("full supervision", "pCE & mare", ROWS[2])), *frames(into))


def test_latex_has_booktabs_rules_and_escaped_text(into: Path) -> None:
    text = to_latex(table(), *frames(into))
    assert text.count(r"\toprule") == text.count(r"\bottomrule") == 2
    assert r"pCE \& more" in text
    assert r"a|b 50 \% & --" in text
    assert r"$\pm$" in text
    assert r"\caption{Rings\_and discs. PHANTOM data, profile tiny, split five\_fold" in text
    assert r"\label{tab:rings-five-fold}" in text
    bare = text.replace(r"\%", "").replace(r"\_", "").replace(r"\&", "")
    assert "%" not in bare
    assert "_" not in bare
    for line in bare.splitlines():
        if line.endswith(r"\\"):
            assert line.count("&") == len(table().columns)


def test_tables_check_their_own_definition() -> None:
    with pytest.raises(ValueError, match="different labels"):
        table(("one", "one"))
    with pytest.raises(ValueError, match="must be of one of"):
        Table(**{**vars(table()), "columns": (Column("dice", "liver"),)})
    with pytest.raises(ValueError, match="a Dice score is a fraction, got 87"):
        Reported(value=87.0, source="a", protocol="b")
    with pytest.raises(ValueError, match="source and a protocol"):
        Reported(value=0.87, source="", protocol="b")
    assert Row("x", None).version == 1  # type: ignore[arg-type]


def test_seeds_are_averaged_per_case_before_anything_else(tmp_path: Path) -> None:
    runs = [write_run(tmp_path, f"s{seed}", seed=seed, shift=seed) for seed in range(3)]
    collect(runs, tmp_path / "into")
    found, values, cases = frames(tmp_path / "into")
    pooled = Results(found, values, cases).pooled(ROWS[1], Column("dice", "LV"), "last")
    chosen = cases[(cases["selection"] == "last") & (cases["class"] == "LV")]
    wanted = chosen.groupby("case")["dice"].mean()
    assert pooled.n == 4
    assert pooled.value == pytest.approx(wanted.mean())
    assert pooled.sd == pytest.approx(wanted.std())
    assert "seeds 0, 1, 2" in render(table(), found, values, cases)


def test_intervals_stand_in_a_second_line_of_the_cells() -> None:
    text = render(table(), *numbers(ROWS))
    cells = lines(text, "full supervision")[0][1:]
    for shown in cells[:6]:
        mean, low, high = re.match(r"([\d.]+) ± .*<br>\[([\d.]+), ([\d.]+)\]", shown).groups()
        assert float(low) <= float(mean) <= float(high)
    assert "[" not in "".join(cells[6:])
    assert "[" not in to_latex(table(), *numbers(ROWS)[:3]).split(r"\toprule")[1]


def test_sections_of_a_scheme_come_in_order() -> None:
    text = render(table(references=ROWS[:1]), *numbers(ROWS, seeds=2))
    wanted = (
        *("# Rings_and discs", "## Split five_fold", "### Paired comparisons", "### Mean ranks"),
        *("### Choice of the checkpoint", "### HD95 in both", "### Seeds", "## Time"),
        *("## Published numbers", "## Rows", "## Run records"),
    )
    at = [text.index(f"\n{heading}" if at else heading) for at, heading in enumerate(wanted)]
    assert at == sorted(at)


def test_no_text_says_nan(into: Path) -> None:
    for found in (frames(into), numbers(ROWS[:1]), numbers(ROWS, patients=1)):
        rendered = render(table(references=ROWS[:1]), *found)
        assert "nan" not in re.findall(r"[a-z]+", rendered.lower())


def test_other_classes_schemes_and_groups_render() -> None:
    found = [*numbers(ROWS[:2], scheme="chaos")]
    names = {"RV": "liver", "MYO": "left kidney", "LV": "spleen"}
    found[1] = found[1].assign(**{"class": found[1]["class"].replace(names)})
    found[2] = found[2].assign(**{"class": found[2]["class"].replace(names)})
    columns = (Column("dice", "left kidney"), Column("dice", "mean"))
    organs = replace(table(), classes=tuple(names.values()), columns=columns)
    text = render(organs, *found)
    assert "## Split chaos" in text
    assert "Folds by patient over the public part" in text
    assert "Test cases per group" not in text
    assert "HD95 max left kidney (mm)" in text


def test_secondary_tables_hold_finished_rows_alone(into: Path) -> None:
    text = render(table(), *frames(into))
    part = text[text.index("### Choice") : text.index("## Split stratified")]
    assert not lines(part, r"a\|b 50 %")
    assert len(lines(part, "full supervision")) == 2


def test_rows_on_other_folds_than_the_rest_are_said_to_be_incomplete(into: Path) -> None:
    runs, values, cases = frames(into)
    more = runs[runs["row"] == "full supervision"].iloc[[0]].assign(fold=5, run="another")
    text = render(table(), pd.concat([runs, more], ignore_index=True), values, cases)
    assert "fold 5, seed 0: not run" in text
