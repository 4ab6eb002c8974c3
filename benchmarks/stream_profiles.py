"""Budgets of streams as data: cases, grid, updates and network, by the machine they run on."""

from dataclasses import dataclass, field, replace
from typing import Final

from benchmarks.spec import StreamData
from weakseg.config import Optim
from weakseg.data.volumes import VolumeGrid
from weakseg.models import LightUNet
from weakseg.models.light_unet import LIGHT_DEPTHS
from weakseg.models.vnet import DEPTHS, VNet
from weakseg.online.contrastive import Contrastive
from weakseg.online.method import OnlineMethod, StreamBudget

RELEASED: Final = Optim(lr=1e-3, momentum=0.99, weight_decay=5e-4)
"""The optimiser of the released code."""

ADAMW: Final = Optim(name="adamw", lr=2e-3, weight_decay=1e-4)

_LIGHT: Final = {layer: LIGHT_DEPTHS[depth] for depth, layer in DEPTHS.items()}


def told_grid(grid: VolumeGrid) -> str:
    """Say what a grid of volumes covers.

    Example:
        >>> told_grid(VolumeGrid(size=(30, 55, 55), mode="parity"))
        '30 x 55 x 55 cells, **parity**: the box around the reference and 10 voxels, stretched'
    """
    cells = f"{' x '.join(map(str, grid.size))} cells"
    if grid.mode == "parity":
        return (
            f"{cells}, **parity**: the box around the reference and {grid.margin} voxels, stretched"
        )
    spacing = " x ".join(f"{mm:g}" for mm in grid.spacing or ())
    return f"{cells} of {spacing} mm, **honest**: placed ({grid.region}) by the image only"


@dataclass(frozen=True, kw_only=True)
class StreamProfile:
    """One budget of a stream; see :meth:`budget`.

    ``orders`` are the seeds of the order of arrival; ``stream`` and ``test`` the most cases that
    are taken of a table's, None for all; ``size`` the cells (z, y, x) of a grid that looks at the
    image only, None for the released recipe, which looks at the reference; ``width`` that of the
    light U-Net that takes the place of the full V-Net, None to keep it; ``matrix`` sizes the
    phantom.
    """

    orders: tuple[int, ...] = (1,)
    stream: int | None = None
    test: int | None = None
    size: tuple[int, int, int] | None = None
    width: int | None = None
    updates: int = 150
    window: int = 15
    gap: int = 1
    review: int = 8
    optim: Optim = field(default_factory=lambda: ADAMW)
    matrix: int = 64

    def budget(self, data: StreamData) -> StreamBudget:
        """Return what every row of a table of such data gets."""
        stream, test = (
            wanted if most is None else min(wanted, most)
            for wanted, most in ((data.stream, self.stream), (data.test, self.test))
        )
        return StreamBudget(
            grid=self._grid(data),
            stream=stream,
            test=test,
            pool=data.pool if self.stream is None else 0,
            updates=self.updates,
            optim=self.optim,
            window=self.window,
            gap=self.gap,
            review=self.review,
        )

    def about(self, budget: StreamBudget) -> str:
        """Say in a line what a budget is."""
        grid = " x ".join(str(side) for side in budget.grid.size)
        crop = (
            "around the reference, as released" if budget.grid.mode == "parity" else "of the image"
        )
        network = "the released V-Net" if self.width is None else "a light U-Net"
        return (
            f"{budget.stream} cases arrive, {budget.test} test; grids of {grid} {crop}; {network}, "
            f"{budget.updates} updates a case"
        )

    def resized(self, method: OnlineMethod) -> OnlineMethod:
        """Return a method on the profile's network, its terms at the same depths."""
        network = method.network
        if self.width is None or not isinstance(network, VNet) or network.width != VNet().width:
            return method
        light = LightUNet(
            widths=tuple(self.width << level for level in range(4)),
            distillation_head=network.distillation_head,
            branch=network.branch,
        )
        terms = tuple(
            replace(term, layer=_LIGHT[term.layer]) if isinstance(term, Contrastive) else term
            for term in method.terms
        )
        return replace(method, network=light, terms=terms)

    def _grid(self, data: StreamData) -> VolumeGrid:
        if self.size is None:
            return VolumeGrid(size=(30, 55, 55), mode="parity")
        depth, height, width = (
            round(length / cells, 3) for length, cells in zip(data.extent, self.size, strict=True)
        )
        spacing = (depth, height, width)
        return VolumeGrid(size=self.size, mode="honest", region=data.region, spacing=spacing)
