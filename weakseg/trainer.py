"""The Trainer of every kind of run: devices, precision, determinism."""

import signal
import warnings
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch.loggers import Logger
from lightning.pytorch.utilities.exceptions import SIGTERMException

from weakseg.config import Compute


def make_trainer(
    compute: Compute, out: Path, loggers: tuple[Logger, ...], **options: Any
) -> lightning.Trainer:
    """Return a Trainer that writes nothing by itself; runs keep their own record.

    Args:
        compute: devices and precision.
        out: directory of the run.
        loggers: mirrors of the curves.
        options: further arguments of the Trainer: its limits and callbacks.
    """
    several = compute.devices > 1
    cuda = compute.on_gpu(torch.cuda.is_available())
    bf16 = cuda and torch.cuda.is_bf16_supported()
    auto = "bf16-mixed" if bf16 else "32-true"
    precision = auto if compute.precision == "auto" else compute.precision
    return lightning.Trainer(
        accelerator=compute.accelerator,
        devices=compute.devices,
        strategy="ddp_spawn_find_unused_parameters_true" if several else "auto",
        precision=precision,  # type: ignore[arg-type]
        sync_batchnorm=several and cuda,
        use_distributed_sampler=False,
        num_sanity_val_steps=0,
        logger=list(loggers) or False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=out,
        deterministic="warn" if cuda else True,
        **options,
    )


def fit(
    trainer: lightning.Trainer,
    module: lightning.LightningModule,
    data: lightning.LightningDataModule,
    checkpoint: Path | None = None,
) -> None:
    """Train to the end; pass SIGTERM on to the processes started from here."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*does not have many workers.*")
        warnings.filterwarnings("ignore", message=".*logging interval.*")
        warnings.filterwarnings("ignore", message=".*your dataloader is not resumable.*")
        try:
            trainer.fit(module, data, ckpt_path=checkpoint)
        except SIGTERMException:
            if trainer.strategy.launcher is not None:
                trainer.strategy.launcher.kill(signal.SIGTERM)
            raise
