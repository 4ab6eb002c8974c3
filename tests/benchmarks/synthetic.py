"""Small run directories as a runner leaves them, with rings for hearts."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd

from benchmarks.collect import summarise_cases
from benchmarks.spec import Column, EvalProtocol, Reported, Row, Table
from weakseg.data import nifti
from weakseg.metrics import case_metrics
from weakseg.results import CASES as ALL_CASES
from weakseg.results import CURVE, CURVES, RUN_CASES, RUNS, write_csv
from weakseg.types import IGNORE_INDEX

CLASSES = ("RV", "MYO", "LV")
SPACING = (10.0, 1.5, 1.5)
CASES = ("patient001_frame01", "patient001_frame12", "patient021_frame01", "patient041_frame09")
GROUPS = {"patient001": "DCM", "patient021": "HCM", "patient041": "MINF"}
ROWS = ("full supervision", "pCE & more", "a|b 50 %")


def table(rows: tuple[str, ...] = ROWS, references: tuple[str, ...] = ()) -> Table:
    published = Reported(
        value=0.79,
        spread=0.04,
        source="A paper, Table 2",
        protocol="15 test patients, best on test",
    )
    return Table(
        name="rings",
        title="Rings_and discs",
        classes=CLASSES,
        source="acdc",
        plan=(("five_fold", (1, 2, 3, 4, 5)),),
        columns=(
            *(Column("dice", name) for name in (*CLASSES, "mean")),
            Column("hd95", "mean"),
            Column("assd", "mean"),
            Column("missed", "all"),
            Column("spurious", "all"),
        ),
        protocol=EvalProtocol(interpolation="none at all"),
        rows=tuple(
            Row(
                label,
                cast(Any, None),
                note="strokes only" if label == "pCE & more" else "",
                reported=(published,) if label == "pCE & more" else (),
            )
            for label in rows
        ),
        references=references,
    )


def volumes(case: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Image float, reference, scribble with 255: [5, 72, 80]."""
    seed = CASES.index(case)
    z, y, x = np.indices((5, 72, 80))
    size = 11 + 2 * seed - 2 * np.abs(z - 2)
    heart = np.hypot(y - 38, x - 46)
    reference = np.zeros(z.shape, np.uint8)
    reference[np.hypot(y - 36, x - 30) < size * 0.9] = 1
    reference[heart < size] = 2
    reference[heart < 0.6 * size] = 3
    brightness = np.array([0.25, 0.8, 0.35, 0.9])[reference]
    image = brightness + np.random.default_rng(seed).normal(0, 0.06, z.shape)
    scribble = np.full(z.shape, IGNORE_INDEX, np.uint8)
    scribble[np.abs(heart - 0.8 * size) < 0.6] = 2
    scribble[np.abs(heart - 0.3 * size) < 0.6] = 3
    scribble[(x == 26) & (np.abs(y - 36) < 5)] = 1
    scribble[(y == 8) & (x > 10) & (x < 60)] = 0
    return image.astype(np.float32), reference, scribble


def predict(case: str, shift: int, miss: bool = False) -> np.ndarray:
    """The reference moved along x; without its first class where ``miss``."""
    prediction = np.roll(volumes(case)[1], shift, axis=2)
    return np.where(prediction == 1, 0, prediction).astype(np.uint8) if miss else prediction


def write_run(
    root: Path,
    run: str,
    *,
    row: str = "pCE & more",
    scheme: str = "five_fold",
    fold: int = 1,
    cases: tuple[str, ...] = CASES,
    shift: int = 1,
    missed: tuple[str, ...] = (),
    status: str = "done",
    **record: object,
) -> Path:
    """Write one run directory; ``best-val`` is the same, ``best-test`` without a shift."""
    out = root / run
    (out / "predictions").mkdir(parents=True)
    about = {
        "run": run, "table": "rings", "row": row, "scheme": scheme, "fold": fold, "seed": 0,
        "profile": "tiny", "data": "phantom", "content": "c0ffee" * 10, "commit": "1234567890ab",
        "torch": "2.13.0", "lightning": "2.6.0", "device": "CPU", "threads": 1,
        "precision": "32-true", "steps": 400, "seconds": 61.5, "status": status, "method": {},
    }  # fmt: skip
    (out / "run.json").write_text(json.dumps(about | record))
    if status != "done":
        (out / "error.txt").write_text("RuntimeError: out of memory\n")
        return out
    lines = []
    for case in cases:
        for selection, moved in (("last", shift), ("best-val", shift), ("best-test", 0)):
            prediction = predict(case, moved, case in missed)
            patient = case.split("_")[0]
            start = (selection, "test", case, patient, GROUPS[patient])
            found = case_metrics(prediction, volumes(case)[1], SPACING, CLASSES)
            lines += [(*start, *scores) for scores in found]
            if selection == "last":
                nifti.write(out / "predictions" / f"{case}.nii.gz", prediction, SPACING)
    write_csv(out / "curve.csv", curve(shift))
    write_csv(out / "values.csv", pd.DataFrame(lines, columns=list(RUN_CASES)))
    return out


def curve(shift: int) -> pd.DataFrame:
    steps = np.arange(50, 401, 50)
    dice = (0.95 - 0.05 * shift) * (1 - np.exp(-steps / 120))
    loss = 1.4 * np.exp(-steps / 150) + 0.05 * shift
    lines = [(s, "val", "dice", v) for s, v in zip(steps, dice, strict=True)]
    lines += [(s, "train", "loss", v) for s, v in zip(steps, loss, strict=True)]
    return pd.DataFrame(lines, columns=list(CURVE))


def numbers(
    rows: Sequence[str],
    patients: int = 8,
    folds: int = 1,
    seeds: int = 1,
    scheme: str = "five_fold",
) -> list[pd.DataFrame]:
    """Frames runs, values, cases and curves of finished runs, two cases a patient, no images.

    Row i is worse than row 0 by 0.02 i in Dice and 1 i mm in HD95, up to noise. The selections
    best-val and best-test add 0.005 and 0.01 to Dice. The first seed of a row takes 60 (i + 1) s.
    """
    runs, cases, curves = [], [], []
    for i, row in enumerate(rows):
        for fold in range(1, folds + 1):
            for seed in range(seeds):
                run = f"{i:02d}{fold}{seed}"
                about = (run, row, scheme, fold, seed, "tiny", "real", "c0ffee" * 10, "12345678")
                seconds = 60.0 * (i + 1 + seed)
                runs.append((*about, "2.13.0", "2.6.0", "CPU", 1, "32-true", 400, seconds, "done"))
                cases += _cases(run, i, fold, seed, patients)
                curves += [(run, *line) for line in curve(i).itertuples(index=False)]
    found = pd.DataFrame(cases, columns=list(ALL_CASES))
    return [
        pd.DataFrame(runs, columns=list(RUNS)),
        summarise_cases(found),
        found,
        pd.DataFrame(curves, columns=list(CURVES)),
    ]


def _cases(run: str, i: int, fold: int, seed: int, patients: int) -> list[tuple[object, ...]]:
    lines = []
    for number in range(patients):
        patient = f"patient{fold}{number:02d}"
        for frame in (1, 2):
            rng = np.random.default_rng((i, fold, seed, number, frame))
            for cls in CLASSES:
                dice = 0.9 - 0.02 * i - 0.01 * number / patients + 0.004 * rng.normal()
                hd95 = 5 + i + 0.3 * rng.normal()
                for selection, more in (("last", 0), ("best-val", 0.005), ("best-test", 0.01)):
                    case = (selection, "test", f"{patient}_frame{frame:02d}", patient, "", cls)
                    lines.append((run, *case, dice + more, hd95, hd95 + 1, hd95 / 4, 0, 0))
    return lines


def write_numbers(into: Path, *frames: pd.DataFrame) -> None:
    """Write the frames of ``numbers`` as a results folder."""
    for name, frame in zip(("runs", "values", "cases", "curves"), frames, strict=True):
        write_csv(into / f"{name}.csv", frame)
