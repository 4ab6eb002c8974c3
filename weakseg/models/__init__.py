"""Networks, and the attention that plugs into them."""

from weakseg.models.attention import Affinity, Attention, attach_attention
from weakseg.models.network import Host, Network, build
from weakseg.models.unet import UNet

__all__ = ["Affinity", "Attention", "Host", "Network", "UNet", "attach_attention", "build"]
