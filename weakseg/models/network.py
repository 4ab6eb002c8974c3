"""A host network together with the attention plugged into it."""

from collections.abc import Sequence
from typing import Any, Protocol

from torch import Tensor, nn

from weakseg.models.attention import Attention, Handle, attach_attention
from weakseg.types import Output


class Host(Protocol):
    """Configuration of a network that maps float [B, M, *S] to logits [B, C, *S].

    The network may return several heads, the main one first: as a sequence, or stacked along
    axis 1 as MONAI's networks with deep supervision do.
    """

    def build(self, modalities: int, classes: int) -> nn.Module:
        """Return the network."""


class Network(nn.Module):
    """Host whose forward pass returns :class:`Output`: logits, similarity, heads and features.

    Args:
        host: any network as :class:`Host` builds it.
        attention: what :func:`attach_attention` returned for this host, or None.
        layers: names of the host's submodules whose output is returned as features.

    Raises:
        AttributeError: the host has no submodule of that name.
    """

    def __init__(
        self, host: nn.Module, attention: Handle | None = None, layers: Sequence[str] = ()
    ) -> None:
        super().__init__()
        self.host = host
        self.attention = attention
        self.layers = tuple(layers)
        self._features: dict[str, Tensor] = {}
        for layer in self.layers:
            host.get_submodule(layer).register_forward_hook(_Keep(self._features, layer))

    def forward(self, image: Tensor) -> Output:
        """Return what the host says of ``image``, and the similarity of each attended layer."""
        logits, *auxiliary = _heads(self.host(image), image)
        similarity = self.attention.take() if self.attention else {}
        features = dict(self._features)
        self._features.clear()
        return Output(logits, similarity, tuple(auxiliary), features)

    def predict(self, image: Tensor) -> Tensor:
        """Return the logits of the main head alone; the similarity is not computed."""
        if self.attention is None:
            logits = _heads(self.host(image), image)[0]
        else:
            with self.attention.paused():
                logits = _heads(self.host(image), image)[0]
        self._features.clear()
        return logits

    def attention_parameters(self) -> list[nn.Parameter]:
        """Return the parameters of blocks, norms and projections, for their own learning rate."""
        return list(self.attention.parameters()) if self.attention else []


class _Keep:
    """Forward hook that keeps a layer's output; a copy of the network gets a copy of its own."""

    def __init__(self, into: dict[str, Tensor], name: str) -> None:
        self.into, self.name = into, name

    def __call__(self, module: nn.Module, args: Any, output: Tensor) -> None:
        self.into[self.name] = output


def build(
    host: Host,
    attention: Attention | None,
    modalities: int,
    classes: int,
    example_size: Sequence[int],
    layers: Sequence[str] = (),
) -> Network:
    """Return a network on images of about ``example_size`` pixels, *S.

    The host is made first, so that its initial weights do not depend on the attention.
    """
    module = host.build(modalities, classes)
    if attention is None:
        return Network(module, None, layers)
    example = (1, modalities, *example_size)
    handle = attach_attention(module, attention.layers, example=example, config=attention)
    return Network(module, handle, layers)


def _heads(out: Tensor | Sequence[Tensor], image: Tensor) -> list[Tensor]:
    """Return the main logits and those of further heads."""
    if not isinstance(out, Tensor):
        return list(out)
    return list(out.unbind(1)) if out.ndim == image.ndim + 1 else [out]
