"""The command line that writes phantoms, and the registry behind it."""

from pathlib import Path

import pytest

from weakseg.data.phantoms import PHANTOMS
from weakseg.data.phantoms.__main__ import main
from weakseg.data.sources import SOURCES


@pytest.mark.parametrize("name", sorted(PHANTOMS))
def test_every_phantom_is_one_of_a_source_that_finds_it_whole_and_synthetic(name, tmp_path):
    assert main([name, str(tmp_path), "--patients", "3", "--matrix", "48"]) == 0
    source = SOURCES[name](tmp_path)
    cases, problems = source.find(tmp_path)
    assert not problems and len({case.patient for case in cases}) == 3
    assert source.synthetic(tmp_path)
    arrays = source.read(cases[0])
    assert (
        arrays.image.shape[-3:]
        == (arrays.reference if arrays.scribble is None else arrays.scribble).shape
    )


def test_an_impossible_request_is_one_line(tmp_path, capsys):
    assert main(["acdc", str(tmp_path), "--patients", "0"]) == 1
    assert capsys.readouterr().err == "error: patients must be between 1 and 100, got 0\n"


def test_f25_an_unknown_phantom_names_those_there_are(tmp_path: Path, capsys):
    with pytest.raises(SystemExit):
        main(["acd", str(tmp_path)])
    assert "acdc" in capsys.readouterr().err
