"""A host network together with the attention plugged into it."""

from collections.abc import Sequence
from typing import Protocol

from torch import Tensor, nn

from weakseg.models.attention import Attention, Handle, attach_attention
from weakseg.types import Output


class Host(Protocol):
    """Configuration of a network that maps float [B, M, *S] to logits [B, C, *S]."""

    def build(self, modalities: int, classes: int) -> nn.Module:
        """Return the network."""


class Network(nn.Module):
    """Host whose forward pass returns :class:`Output`: logits and the similarity of its layers.

    Args:
        host: any network from float [B, M, *S] to logits [B, C, *S]; of several heads (deep
            supervision) the first one counts.
        attention: what :func:`attach_attention` returned for this host, or None.
    """

    def __init__(self, host: nn.Module, attention: Handle | None = None) -> None:
        super().__init__()
        self.host = host
        self.attention = attention

    def forward(self, image: Tensor) -> Output:
        """Return the logits and, per attended layer, the banded similarity of ``image``."""
        logits = _first_head(self.host(image), image)
        return Output(logits, self.attention.take()) if self.attention else Output(logits)

    def predict(self, image: Tensor) -> Tensor:
        """Return the logits alone; the similarity is not computed."""
        if self.attention is None:
            return _first_head(self.host(image), image)
        with self.attention.paused():
            return _first_head(self.host(image), image)

    def attention_parameters(self) -> list[nn.Parameter]:
        """Return the parameters of blocks, norms and projections, for their own learning rate."""
        return list(self.attention.parameters()) if self.attention else []


def build(
    host: Host,
    attention: Attention | None,
    modalities: int,
    classes: int,
    example_size: Sequence[int],
) -> Network:
    """Return a network on images of about ``example_size`` pixels, *S.

    The host is made first, so that its initial weights do not depend on the attention.
    """
    module = host.build(modalities, classes)
    if attention is None:
        return Network(module)
    example = (1, modalities, *example_size)
    return Network(
        module, attach_attention(module, attention.layers, example=example, config=attention)
    )


def _first_head(out: Tensor | Sequence[Tensor], image: Tensor) -> Tensor:
    if not isinstance(out, Tensor):
        return out[0]
    return out[:, 0] if out.ndim == image.ndim + 1 else out
