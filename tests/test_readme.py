"""What the README tells people to do works."""

import re
from pathlib import Path

import torch

from weakseg.types import Batch, Output

ROOT = Path(__file__).parents[1]
BLOCKS = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)


def test_the_loss_of_the_readme_is_a_term():
    names: dict = {"__name__": "readme"}
    exec(BLOCKS[0], names)
    logits = torch.zeros(2, 4, 8, 8, requires_grad=True)
    share = names["Entropy"]()(Output(logits), Batch(logits, torch.zeros(2, 8, 8).long(), ["a"]))
    assert share.mean().item() == torch.tensor(4.0).log().item()


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
