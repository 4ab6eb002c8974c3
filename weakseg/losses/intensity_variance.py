"""Intensity variance: a class should look alike, and unlike the others."""

from dataclasses import dataclass

from torch import Tensor

from weakseg.losses.terms import check_weight, full_precision
from weakseg.types import Batch, Output, Share


def within_class_variance(probs: Tensor, image: Tensor) -> Tensor:
    """Return the share of each sample's intensity variance that lies within its soft classes.

    With mass n_c = sum_i p_ic, mean m_c = sum_i p_ic I_i / n_c and the mean m of all N pixels,
    the variance within classes, sum_c sum_i p_ic (I_i - m_c)^2, and between them,
    sum_c n_c (m_c - m)^2, add up to the total. Their ratio is Otsu's criterion: lowering the
    share within classes raises the one between them. "Inter and intra class" of WSL4MIS is meant
    to do this; its code, std_c(mean(I p_c)) - mean_c(std(I p_c)), rewards the opposite.

    Args:
        probs: float [B, C, *S].
        image: float [B, M, *S]; the modalities' variances are added up.

    Returns:
        float [B] in [0, 1]; 0 for a constant image.
    """
    flat, shown = probs.flatten(2), image.to(probs.dtype).flatten(2)  # [B, C, N], [B, M, N]
    mass = flat.sum(2)  # [B, C]
    sums = (flat[:, :, None] * shown[:, None]).sum(3)  # [B, C, M]
    means = sums / mass.clamp_min(1e-8)[..., None]
    overall = shown.mean(2, keepdim=True)  # [B, M, 1]
    total = (shown - overall).square().sum((1, 2))
    between = (mass[..., None] * (means - overall.transpose(1, 2)).square()).sum((1, 2))
    varied = total > 1e-8
    share = 1 - between / total.where(varied, 1.0)
    return share.where(varied, 0.0)


@dataclass(frozen=True, kw_only=True)
class IntensityVariance:
    """:func:`within_class_variance` as a term, at a constant weight.

    The released weight rises from 0 to 0.1 over the first half of the run; here it is 0.1
    throughout, since a term does not know how long the run is.
    """

    weight: float = 0.1

    def __post_init__(self) -> None:
        check_weight(self.weight)

    @property
    def name(self) -> str:
        """Name of the term in logs, tables and overrides."""
        return "intensity_variance"

    def __call__(self, out: Output, batch: Batch) -> Share:
        """Return the sum over samples, and their number."""
        each = within_class_variance(full_precision(out.logits).softmax(dim=1), batch.image)
        return Share(each.sum(), each.new_tensor(len(each)))
