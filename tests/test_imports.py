"""Who may import whom, read from the sources without running them."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LEAVES = {"types", "config", "seeding", "results"}
BOXES = {"data", "losses", "models", "metrics"}
RUNNERS = {
    *("segmenter", "train", "trainer", "evaluate", "recorder", "diagnostics", "checkpoints"),
    *("strategies", "method", "online"),
}
MODULES = sorted(
    path.relative_to(ROOT).as_posix()
    for package in ("weakseg", "benchmarks")
    for path in (ROOT / package).rglob("*.py")
)
WEAKSEG = [name for name in MODULES if name.startswith("weakseg/")]


def imported(text: str, module: str) -> set[str]:
    """Return the dotted names that a source imports anywhere, inside functions included.

    ``from a import b`` counts as ``a.b``: b may be a module.
    """
    package = module.removesuffix(".py").split("/")[:-1]
    found = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            found |= {f"{base}.{alias.name}" for alias in node.names}
    return found


def imports_of(module: str) -> set[str]:
    return imported((ROOT / module).read_text(), module)


def packages(module: str) -> set[str]:
    return {name.partition(".")[0] for name in imports_of(module)}


def part_of(module: str) -> str:
    """Return the first name below weakseg: ``weakseg/data/grid.py`` is part of ``data``."""
    return module.split("/")[1].removesuffix(".py")


def parts_imported(module: str) -> set[str]:
    names = (name.split(".") for name in imports_of(module))
    return {name[1] for name in names if name[0] == "weakseg" and len(name) > 1}


def test_imports_are_found_wherever_they_stand() -> None:
    text = "import a.b\nfrom . import c\nfrom .d import e\nfrom ..f import g\ndef h():\n import i"
    assert imported(text, "weakseg/data/one.py") == {
        "a.b", "weakseg.data.c", "weakseg.data.d.e", "weakseg.f.g", "i",
    }  # fmt: skip


def test_every_part_has_a_place_in_the_architecture() -> None:
    assert {part_of(module) for module in WEAKSEG} == {"__init__"} | LEAVES | BOXES | RUNNERS


@pytest.mark.parametrize("module", WEAKSEG)
def test_parts_import_only_what_lies_below_them(module: str) -> None:
    part = part_of(module)
    rest = RUNNERS | BOXES if part in RUNNERS else {part} & BOXES
    assert parts_imported(module) <= LEAVES | rest


def test_runners_do_not_import_each_other_in_a_circle() -> None:
    graph: dict[str, set[str]] = {part: set() for part in RUNNERS}
    for module in WEAKSEG:
        if (part := part_of(module)) in RUNNERS:
            graph[part] |= parts_imported(module) & RUNNERS - {part}
    while graph:
        ready = [part for part, needs in graph.items() if not needs & graph.keys()]
        assert ready, f"a circle among {sorted(graph)}"
        for part in ready:
            del graph[part]


@pytest.mark.parametrize("module", WEAKSEG)
def test_weakseg_does_not_know_the_benchmarks(module: str) -> None:
    assert not packages(module) & {"benchmarks", "tests"}


def test_lightning_stays_where_training_is() -> None:
    users = {module for module in WEAKSEG if packages(module) & {"lightning", "pytorch_lightning"}}
    assert users <= {
        "weakseg/segmenter.py", "weakseg/train.py", "weakseg/trainer.py", "weakseg/recorder.py",
        "weakseg/data/module.py",
        "weakseg/online/learner.py", "weakseg/online/stream.py", "weakseg/online/run.py",
    }  # fmt: skip


@pytest.mark.parametrize("module", MODULES)
def test_wandb_is_known_to_the_training_and_the_benchmarks_alone(module: str) -> None:
    names = imports_of(module)
    if any("wandb" in name.lower() for name in names):
        assert module == "weakseg/train.py" or module.startswith("benchmarks/")
