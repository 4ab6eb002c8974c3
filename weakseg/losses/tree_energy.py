"""Tree energy loss: predictions should agree with themselves along spanning trees."""

from dataclasses import dataclass

from weakseg.losses.spanning_tree import edge_weights, minimum_spanning_forest, tree_filter
from weakseg.losses.terms import check_weight, full_precision
from weakseg.types import IGNORE_INDEX, Batch, Output, Share


@dataclass(frozen=True, kw_only=True)
class TreeEnergy:
    """Mean of |p - p~|_1 over unlabelled pixels (Liang et al., CVPR 2022).

    p~ is the prediction filtered along the minimum spanning tree of the image, edges
    exp(-d / ``sigma``), and then along that of the features of ``layer``, edges exp(-d), with d
    the squared distance of neighbours. As in the released code, p~ and the edges of the features
    are learnt from. ``layer`` must be as fine as the prediction.
    """

    weight: float = 0.4
    sigma: float = 0.02
    layer: str = "decoder.3"

    def __post_init__(self) -> None:
        check_weight(self.weight)
        if self.sigma <= 0:
            raise ValueError(f"sigma must be positive, got {self.sigma}")

    @property
    def name(self) -> str:
        """Name of the term in logs, tables and overrides."""
        return "tree_energy"

    @property
    def layers(self) -> tuple[str, ...]:
        """Layers whose features the term needs."""
        return (self.layer,)

    def __call__(self, out: Output, batch: Batch) -> Share:
        """Return the distance summed over pixels without annotation, and their number.

        Raises:
            ValueError: the layer is coarser than the prediction.
        """
        probs = full_precision(out.logits).softmax(dim=1)
        features = full_precision(out.features[self.layer])
        if features.shape[2:] != probs.shape[2:]:
            raise ValueError(
                f"{self.layer} must be as fine as the prediction {tuple(probs.shape[2:])}, "
                f"got {tuple(features.shape[2:])}"
            )
        image = batch.image.to(probs.dtype)
        filtered = probs
        for shown, sigma in ((image, self.sigma), (features, 1.0)):
            forest = minimum_spanning_forest(shown)
            filtered = tree_filter(filtered, edge_weights(shown, forest, sigma), forest)
        unlabelled = batch.label == IGNORE_INDEX
        distance = (probs - filtered).abs().sum(dim=1) * unlabelled
        return Share(distance.sum(), unlabelled.sum().to(distance.dtype))
