"""What the README tells people to do works."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)


@pytest.mark.slow
def test_the_method_of_the_readme_passes_the_tests_that_pick_it_up(tmp_path):
    for folder in ("weakseg", "benchmarks", "tests"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    (tmp_path / "weakseg/losses/smoothness.py").write_text(BLOCKS[0])
    edit(
        tmp_path / "weakseg/losses/__init__.py",
        ("from weakseg.losses.terms", "from weakseg.losses.smoothness import Smoothness\n"),
        ('    "Term",', '    "Smoothness",\n'),
    )
    (row,) = re.findall(r"`(Row\(.*\),)`", TEXT)
    edit(
        tmp_path / "benchmarks/tables/methods.py",
        ("from weakseg.losses import", "from weakseg.losses import Smoothness\n"),
        ('    Row("pCE"', f"    {row}\n"),
    )
    tests = ["tests/losses/test_terms.py", "tests/benchmarks/test_tables.py"]
    command = [sys.executable, "-m", "pytest", "-p", "no:xdist", "-k", "moothness", *tests]
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-3000:]
    assert int(re.findall(r"(\d+) passed", done.stdout)[0]) > 12


def edit(path, *insertions):
    """Put each text before the first place that its mark stands at."""
    text = path.read_text()
    for mark, new in insertions:
        assert mark in text
        text = text.replace(mark, new + mark, 1)
    path.write_text(text)


def test_the_attention_of_the_readme_plugs_in_and_comes_off():
    names: dict = {}
    exec(BLOCKS[1], names)
    assert names["similarity"]["down_2"].shape == (2, 121, 16, 16)
    assert not any("attention" in key for key in names["network"].state_dict())


def test_every_target_of_the_readme_is_in_the_makefile():
    text = (ROOT / "README.md").read_text()
    targets = set(re.findall(r"make ([a-z-]+)", text))
    known = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert targets and targets <= known


def test_every_relative_link_of_the_readme_leads_somewhere():
    links = re.findall(r"\]\((?!http)([^)#]+)", (ROOT / "README.md").read_text())
    assert links and all((ROOT / link).exists() for link in links)
