"""Command line: ``python -m benchmarks.kernels [--quick] [--repeats N] [--out DIR]``."""

import argparse
import platform
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import torch
from rich.console import Console

from benchmarks.kernels.cases import KERNELS, SIZES
from benchmarks.kernels.measure import alone, peak_memory, timings
from benchmarks.kernels.registration import STACKS, pairs, rounds

FORMS = ["ours", "plain"]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure losses against their plain forms, and registration against SimpleITK's."""
    options = parser().parse_args(arguments)
    console = Console()
    lines = []
    for size in ["small"] if options.quick else list(SIZES):
        for kernel in KERNELS:
            with console.status(f"{KERNELS[kernel].title}, {size}"):
                lines.append(measure(kernel, size, options.device, options.repeats))
    table = render(pd.DataFrame(lines), options.device)
    if options.device == "cpu":
        with console.status("registration of slices"):
            table += "\n" + registrations(options.repeats, options.quick)
    console.print(table, highlight=False, soft_wrap=True, markup=False)
    if options.out is not None:
        options.out.mkdir(parents=True, exist_ok=True)
        (options.out / "table.md").write_text(table, encoding="utf-8")


def parser() -> argparse.ArgumentParser:
    """Return the options of the command line."""
    default = "cuda" if torch.cuda.is_available() else "cpu"
    options = argparse.ArgumentParser(prog="python -m benchmarks.kernels")
    options.description = "Time and peak memory of the costly losses against their plain forms."
    options.add_argument("--quick", action="store_true", help="only the small size")
    options.add_argument("--repeats", type=int, default=3, help="timed passes of each form (3)")
    options.add_argument("--device", default=default, help=f"cpu or cuda ({default})")
    options.add_argument("--out", type=Path, help="folder to write table.md to")
    return options


def measure(kernel: str, size: str, device: str, repeats: int) -> dict[str, object]:
    """Return one line of the table; a form that runs out of memory leaves its numbers out."""
    shape = SIZES[size]
    peaks = {form: alone(peak_memory, kernel, shape, form, device) for form in FORMS}
    alive = [form for form in FORMS if peaks[form] is not None]
    timing = alone(timings, kernel, shape, alive, device, repeats)
    seconds = timing.seconds if timing else {}
    side = f"{shape.batch}x{shape.classes}x{shape.side}x{shape.side}"
    tokens = "" if kernel == "masked_crf" else f", {shape.grid}x{shape.grid} tokens"
    return {
        "loss": KERNELS[kernel].title,
        "size": side + tokens,
        **{f"{form} [s]": seconds.get(form) for form in FORMS},
        "times faster": _ratio(seconds.get("plain"), seconds.get("ours")),
        **{f"{form} [MiB]": _ratio(peaks[form], 2**20) for form in FORMS},
        "times smaller": _ratio(peaks["plain"], peaks["ours"]),
        "difference": f"{timing.difference:.0e}" if timing and timing.difference else None,
    }


def render(frame: pd.DataFrame, device: str) -> str:
    """Return the table as Markdown under a line that says how it was measured."""
    if device == "cpu":
        machine = f"{platform.machine()} CPU, {torch.get_num_threads()} threads"
    else:
        machine = torch.cuda.get_device_name()
    head = (
        f"Forward and backward pass on {machine}, torch {torch.__version__}, float32. "
        "Time: median, forms taking turns. Memory: peak on top of the inputs. "
        "Difference: largest of value and gradients, relative to the largest entry."
    )
    cells = frame.to_markdown(
        index=False, floatfmt=".3g", missingval="\u2013", disable_numparse=[8]
    )
    return f"{head}\n\n{cells}\n"


def registrations(repeats: int, quick: bool = False) -> str:
    """Return the tables of registration on the CPU as Markdown."""
    head = (
        "Registration of neighbouring slices and the time of a user's round: propose slices and "
        "propagate from nothing, without training. Median, taking turns."
    )
    sizes = ["small"] if quick else list(STACKS)
    parts = (pairs(repeats, sizes), rounds(repeats, sizes))
    return (
        "\n\n".join([head, *(part.to_markdown(index=False, floatfmt=".3g") for part in parts)])
        + "\n"
    )


def _ratio(a: float | None, b: float | None) -> float | None:
    return None if a is None or not b else a / b


if __name__ == "__main__":
    main()
