import pandas as pd

from benchmarks.kernels import __main__ as command
from benchmarks.kernels.cases import SIZES, Size


def test_quick_writes_one_line_per_loss(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(SIZES, "small", Size(1, 2, 16, 4))
    monkeypatch.setattr(command, "alone", lambda function, *args: function(*args))
    command.main(["--quick", "--repeats", "1", "--device", "cpu", "--out", str(tmp_path / "new")])
    table = (tmp_path / "new" / "table.md").read_text()
    assert table.count("1x2x16x16") == 2
    assert "attentive similarity from q, k" in table
    assert table.strip() in capsys.readouterr().out


def test_a_form_that_ran_out_of_memory_is_left_out(monkeypatch):
    def alone(function, kernel, size, form, *rest):
        return None if form == "plain" else function(kernel, Size(1, 2, 16, 4), form, *rest)

    monkeypatch.setattr(command, "alone", alone)
    line = command.measure("masked_crf", "small", "cpu", 1)
    assert line["plain [s]"] is None
    assert line["plain [MiB]"] is None
    assert line["ours [s]"] > 0
    assert "\u2013" in command.render(pd.DataFrame([line]), "cpu")
