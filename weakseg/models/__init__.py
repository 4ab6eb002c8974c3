"""Networks, and the attention that plugs into them."""

from weakseg.models.attention import Affinity, Attention, attach_attention
from weakseg.models.dual import DualUNet
from weakseg.models.dynunet import DynUNet
from weakseg.models.light_unet import LightUNet
from weakseg.models.network import Host, Network, build
from weakseg.models.unet import UNet
from weakseg.models.vnet import VNet

__all__ = [
    "Affinity",
    "Attention",
    "DualUNet",
    "DynUNet",
    "Host",
    "LightUNet",
    "Network",
    "UNet",
    "VNet",
    "attach_attention",
    "build",
]
