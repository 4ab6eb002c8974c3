"""Configurations are frozen dataclasses: described, hashed and overridden here."""

import dataclasses
import difflib
import hashlib
import json
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, Literal, TypeVar, cast

T = TypeVar("T")

LATER: Final = MappingProxyType({"later": True})
"""Metadata of a field added after runs were recorded: at its default it is not described, so that
the identities of earlier runs stay what they were."""


@dataclass(frozen=True, kw_only=True)
class Optim:
    """Optimiser and its polynomial decay: lr(t) = lr * (1 - t / steps) ** power.

    ``attention_lr`` is the base rate of the attention's parameters; None means ``lr``.
    """

    name: Literal["sgd", "adamw"] = "sgd"
    lr: float = 0.01
    momentum: float = 0.9
    weight_decay: float = 1e-4
    power: float = 0.9
    attention_lr: float | None = None

    def __post_init__(self) -> None:
        if self.lr <= 0:
            raise ValueError(f"lr must be positive, got {self.lr}")


@dataclass(frozen=True, kw_only=True)
class Compute:
    """Where a run is computed; recorded, never part of its identity.

    ``precision`` is Lightning's, or ``auto``: bf16-mixed on a GPU, else 32-true.
    """

    accelerator: str = "auto"
    devices: int = 1
    precision: str = "auto"
    threads: int | None = None

    def on_gpu(self, available: bool) -> bool:
        """Return whether a GPU computes, where one is or is not available."""
        return self.accelerator in ("gpu", "cuda") or (self.accelerator == "auto" and available)


def describe(config: object) -> Any:
    """Return plain dicts, lists, numbers and strings that spell the whole configuration out.

    Raises:
        TypeError: a field holds something that has no plain form.

    Example:
        >>> describe(Optim(lr=0.1))["lr"]
        0.1
    """
    if dataclasses.is_dataclass(config) and not isinstance(config, type):
        values = {f: getattr(config, f.name) for f in dataclasses.fields(config)}
        fields = {
            f.name: describe(value)
            for f, value in values.items()
            if not (f.metadata.get("later") and value == f.default)
        }
        return {"type": type(config).__name__, **fields}
    if isinstance(config, (tuple, list)):
        return [describe(item) for item in config]
    if isinstance(config, dict):
        return {str(key): describe(value) for key, value in config.items()}
    if config is None or isinstance(config, (bool, int, float, str)):
        return config
    raise TypeError(f"a configuration holds numbers, strings, tuples and configs, got {config!r}")


def identity(config: object) -> str:
    """Return 12 hex digits of the canonical JSON of ``describe(config)``."""
    text = json.dumps(describe(config), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def override(config: T, path: str, value: object) -> T:
    """Return a copy with one field replaced; ``losses.masked_crf.weight`` enters tuples by name.

    Raises:
        KeyError: no such field; the message lists the fields there are and the nearest one.

    Example:
        >>> override(Optim(), "lr", 0.5).lr
        0.5
    """
    head, _, rest = path.partition(".")
    if isinstance(config, tuple):
        names = [str(getattr(item, "name", index)) for index, item in enumerate(config)]
        index = names.index(_known(head, names))
        item = override(config[index], rest, value) if rest else value
        return cast(T, (*config[:index], item, *config[index + 1 :]))
    if not dataclasses.is_dataclass(config) or isinstance(config, type):
        raise KeyError(f"{config!r} has no field {head!r}")
    name = _known(head, [f.name for f in dataclasses.fields(config)])
    item = override(getattr(config, name), rest, value) if rest else value
    return cast(T, dataclasses.replace(config, **{name: item}))


def _known(name: str, names: list[str]) -> str:
    if name not in names:
        near = difflib.get_close_matches(name, names, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise KeyError(f"no field {name!r} among {names}{hint}")
    return name
