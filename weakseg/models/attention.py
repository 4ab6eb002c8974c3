"""Plug a self-attention block and its attentive similarity into any layer of any network.

Tian, Yang and Gao, AttenScribble, J. Vis. Commun. Image Represent. 110 (2025) 104476.
"""

import difflib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal, cast, get_args

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from weakseg.models.affinity import Affinity, Projection
from weakseg.models.block import Block, SideBlock, init_released, to_features, to_tokens
from weakseg.models.similarity import to_band

__all__ = ["Affinity", "AttendedLayer", "Attention", "Handle", "attach_attention", "to_band"]

SUBMODULE = "weakseg_attention"
"""Name under which the plug-in's parameters appear in the host."""

Layer = str | nn.Module | Callable[[nn.Module], nn.Module]
Merge = Literal["replace", "side"]


@dataclass(frozen=True, kw_only=True)
class Attention:
    """Self-attention at one or several layers; the defaults are the released configuration.

    With ``merge`` "replace" the block's output takes the place of the layer's; with "side" the
    network goes on unchanged and the block makes the similarity only. ``radius`` is the half
    width of the similarity's window in cells of the layer's grid (divided by ``reduction``).
    """

    layers: tuple[str, ...] = ("encoder.2",)
    merge: Merge = "replace"
    depth: int = 1
    heads: int = 1
    ffn_ratio: int = 4
    qkv_bias: bool = False
    reduction: int = 1
    radius: int = 5
    affinity: Affinity = field(default_factory=Affinity)

    def __post_init__(self) -> None:
        if self.merge not in get_args(Merge):
            raise ValueError(f"merge must be one of {get_args(Merge)}, got {self.merge!r}")
        for name in ("depth", "heads", "ffn_ratio", "reduction", "radius"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.merge == "side" and self.affinity.form == "constant":
            raise ValueError("a side branch with a constant affinity would use no attention at all")


class AttendedLayer(nn.Module):
    """What one layer gets: L blocks, a final norm, and the projection of its similarity."""

    def __init__(self, config: Attention, width: int, dims: int) -> None:
        super().__init__()
        self.config = config
        self.similarity: Tensor | None = None
        self.recording = False
        self.paused = False
        heads, bias, reduction = config.heads, config.qkv_bias, config.reduction
        side = config.merge == "side"
        self.blocks = nn.ModuleList(
            Block(width, heads, config.ffn_ratio, bias=bias, reduction=reduction, dims=dims)
            for _ in range(config.depth - side)
        )
        if side:
            self.blocks.append(SideBlock(width, heads, bias=bias, reduction=reduction, dims=dims))
        self.norm = None if side else nn.LayerNorm(width)
        self.blocks.apply(init_released)
        self.projection = Projection(config.depth * config.heads, config.affinity)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return features float [B, F, *s] and the banded similarity float [B, W, *s / r].

        The similarity is None while the plug-in is paused.
        """
        if self.paused and self.norm is None:
            return features, None
        grid = tuple(features.shape[2:])
        # A copy, since a host may go on with an activation that works in place.
        tokens, pairs = to_tokens(features).clone(memory_format=torch.contiguous_format), []
        for block in self.blocks:
            tokens, query, key = block(tokens, grid)
            pairs.append((query, key))
        if self.norm is not None:
            features = to_features(self.norm(tokens), grid)
        if self.paused:
            return features, None
        reduced = tuple(side // self.config.reduction for side in grid)
        return features, self.projection(pairs, reduced, self.config.radius)

    def hook(self, layer: nn.Module, inputs: Any, output: Tensor) -> Tensor | None:
        """Forward hook of the attended layer.

        Raises:
            RuntimeError: the host runs the layer twice in one pass.
        """
        features, similarity = self(output)
        if self.recording and similarity is not None:
            if self.similarity is not None:
                raise RuntimeError("an attended layer must run once per forward pass of its host")
            self.similarity = similarity
        return None if self.norm is None else features

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "similarity": None}


class Plugin(nn.Module):
    """The attended layers of one host, and the record of its current forward pass."""

    def __init__(self, layers: Mapping[str, AttendedLayer]) -> None:
        super().__init__()
        self.names = tuple(layers)
        self.layers = nn.ModuleList(layers.values())
        self.published: dict[str, Tensor] = {}

    def forward(self, x: Tensor) -> Tensor:
        """Return the input, so that a host that runs all its children is not disturbed."""
        return x

    def attended(self) -> Iterator[AttendedLayer]:
        """Return the layers in the order of their names."""
        return (cast(AttendedLayer, layer) for layer in self.layers)

    def begin(self, host: nn.Module, inputs: Any) -> None:
        """Forget earlier passes, also those that an exception ended."""
        self.published = {}
        for layer in self.attended():
            layer.similarity, layer.recording = None, True

    def finish(self, host: nn.Module, inputs: Any, output: Any) -> None:
        """Publish the similarities of a pass that came to its end."""
        for name, layer in zip(self.names, self.attended(), strict=True):
            if layer.similarity is not None:
                self.published[name] = layer.similarity
            layer.similarity, layer.recording = None, False

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "published": {}}


@dataclass(frozen=True)
class Handle:
    """The plug-in of one host, as :func:`attach_attention` returns it."""

    host: nn.Module
    plugin: Plugin
    hooks: tuple[RemovableHandle, ...]

    @property
    def modules_by_name(self) -> dict[str, AttendedLayer]:
        """The attended layers by name; ``.projection.weight`` and ``.bias`` are w and b."""
        return dict(zip(self.plugin.names, self.plugin.attended(), strict=True))

    def parameters(self) -> Iterator[nn.Parameter]:
        """Yield the parameters that the plug-in added to the host."""
        return self.plugin.parameters()

    def take(self) -> dict[str, Tensor]:
        """Return the similarities of the host's latest complete pass by layer, and forget them."""
        published, self.plugin.published = self.plugin.published, {}
        return published

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Leave the similarity out; what the host computes stays the same."""
        for layer in self.plugin.attended():
            layer.paused = True
        try:
            yield
        finally:
            for layer in self.plugin.attended():
                layer.paused = False

    def remove(self) -> None:
        """Take hooks and parameters off the host, which is then as it was before."""
        for hook in self.hooks:
            hook.remove()
        self.host._modules.pop(SUBMODULE, None)


def attach_attention(
    network: nn.Module,
    layers: Sequence[Layer],
    *,
    example: Tensor | Sequence[int],
    config: Attention = Attention(),
) -> Handle:
    """Attach attention to layers of a network, without touching its code.

    Args:
        network: the host; its parameters, and so its device and dtype, must exist.
        layers: dotted names of submodules, the submodules themselves, or functions from the host
            to one. Each must return float [B, F, *s] with F a multiple of the heads.
        example: input of the host or its shape [B, M, *S]; one pass without gradient finds the
            widths and leaves statistics and random generators as they were.
        config: everything else; its ``layers`` do not count here.

    Returns:
        A handle: after each pass of the host, ``take()`` gives the similarity of each layer.

    Raises:
        ValueError: unknown or repeated layer, a host that has attention already, a layer that did
            not run or returns something else than features, a width that heads do not divide.
    """
    if SUBMODULE in network._modules:
        raise ValueError("the host has attention already; remove() it first, or name all layers")
    names = [_name(network, layer) for layer in layers]
    if not names or len(set(names)) != len(names):
        raise ValueError(f"layers must be distinct and at least one, got {names}")
    shapes = _shapes(network, names, example)
    first = next(network.parameters(), torch.empty(0))
    made = {name: _make(config, name, shape).to(first) for name, shape in shapes.items()}
    plugin = Plugin(made).train(network.training)
    hooks = [
        network.get_submodule(name).register_forward_hook(layer.hook)
        for name, layer in made.items()
    ]
    hooks.append(network.register_forward_pre_hook(plugin.begin))
    hooks.append(network.register_forward_hook(plugin.finish))
    network.add_module(SUBMODULE, plugin)
    return Handle(network, plugin, tuple(hooks))


def _make(config: Attention, name: str, shape: torch.Size) -> AttendedLayer:
    if shape[1] % config.heads:
        raise ValueError(f"{name} has {shape[1]} channels, no multiple of {config.heads} heads")
    return AttendedLayer(config, shape[1], len(shape) - 2)


def _name(network: nn.Module, layer: Layer) -> str:
    """Return the dotted name of a layer."""
    names: dict[str, nn.Module] = dict(network.named_modules(remove_duplicate=False))
    names.pop("")
    if isinstance(layer, str):
        if layer not in names:
            near = difflib.get_close_matches(layer, names, n=5, cutoff=0.3) or list(names)[:5]
            raise ValueError(f"the host has no layer {layer!r}; nearest names: {', '.join(near)}")
        return layer
    module: nn.Module = layer if isinstance(layer, nn.Module) else layer(network)
    for name, candidate in names.items():
        if candidate is module:
            return name
    raise ValueError(f"no submodule of the host: {type(module).__name__}")


def _shapes(
    network: nn.Module, names: Sequence[str], example: Tensor | Sequence[int]
) -> dict[str, torch.Size]:
    """Return the shape of each layer's output, from one pass that leaves no trace."""
    first = next(network.parameters(), torch.empty(0))
    image = example if isinstance(example, Tensor) else torch.zeros(tuple(example)).to(first)
    seen: dict[str, list[Any]] = {name: [] for name in names}
    hooks = [
        network.get_submodule(name).register_forward_hook(
            lambda _, __, output, name=name: seen[name].append(output)
        )
        for name in names
    ]
    training = [(module, module.training) for module in network.modules()]
    cuda = [first.device] if first.device.type == "cuda" else []
    try:
        with torch.no_grad(), torch.random.fork_rng(cuda):
            network.eval()(image.to(first))
    finally:
        for hook in hooks:
            hook.remove()
        for module, flag in training:
            module.training = flag
    return {name: _checked(name, outputs, image.ndim) for name, outputs in seen.items()}


def _checked(name: str, outputs: Sequence[Any], ndim: int) -> torch.Size:
    if len(outputs) != 1:
        raise ValueError(f"the host must run {name} once on the example, ran it {len(outputs)} x")
    output = outputs[0]
    if not isinstance(output, Tensor) or output.ndim != ndim or ndim not in (4, 5):
        got = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
        raise ValueError(f"{name} must return features [B, F, *s] in 2D or 3D, got {got}")
    return output.shape
