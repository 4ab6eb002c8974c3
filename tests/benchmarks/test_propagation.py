from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks import propagation
from benchmarks.propagation import MODES, SETS, check, evenly, main, rerender
from weakseg.data.volumes import Volume


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("propagation")
    kept = propagation.SLICES
    propagation.SLICES = (1, 2)  # type: ignore[misc]
    try:
        asked = ["--profile", "tiny", "--cases", "2", "--home", str(root)]
        assert main([*asked, "--results", str(root / "results")]) == 0
    finally:
        propagation.SLICES = kept  # type: ignore[misc]
    return root / "results"


def test_every_way_is_measured_on_every_data_set(results: Path) -> None:
    frame = pd.read_csv(results / "propagation" / "cases.csv")
    assert set(frame["mode"]) == set(MODES)
    assert frame.groupby(["data", "mode", "slices"])["case"].nunique().eq(2).all()
    assert len(frame) == len(SETS) * len(MODES) * 2 * 2
    assert frame["dice"].between(0, 1).all()


def test_phantoms_are_called_phantoms(results: Path) -> None:
    text = (results / "propagation" / "table.md").read_text()
    assert text.count("PHANTOM") == len(SETS)


def test_the_table_is_a_function_of_what_was_measured(results: Path) -> None:
    before = (results / "propagation" / "table.md").read_bytes()
    assert rerender(results) == results / "propagation"
    assert (results / "propagation" / "table.md").read_bytes() == before


def test_a_number_changed_by_hand_is_found(results: Path) -> None:
    page = results / "propagation" / "table.md"
    before = page.read_text()
    assert list(check(results)) == []
    page.write_text(before.replace("0.", "1.", 1))
    assert len(list(check(results))) == 1
    page.write_text(before)


def test_nothing_is_rendered_where_nothing_was_measured(tmp_path: Path) -> None:
    assert rerender(tmp_path) is None


def test_slices_lie_evenly_within_the_object() -> None:
    reference = np.zeros((20, 9, 9), bool)
    reference[4:16, 2:7, 2:7] = True
    volume = Volume(
        "one", "one", "", reference[None].astype(np.float32), reference, (1.0,) * 3, 1.0
    )
    annotation = evenly(volume, MODES["ours"], 3)
    assert sorted(annotation.slices(0)) == [6, 10, 13]
    assert annotation.bounds(0) == (4, 15)


def test_an_unknown_data_set_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--data", "liver=/nowhere"])
    assert "--data knows" in capsys.readouterr().err
