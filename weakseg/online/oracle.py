"""The simulated user: the only one who sees the reference of a streamed case (spec sec. 3.2)."""

from dataclasses import dataclass, field
from typing import Any, Final, Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from weakseg.metrics import dice
from weakseg.online.annotation import AXES, Annotation, Ends, Mark, Slice, plane
from weakseg.online.clicks import Clicking, clicks
from weakseg.seeding import Key, generator

SIGMA: Final = 3.0  # pixels over which a hand's errors are alike


class Request(NamedTuple):
    """What a user is asked for in one go.

    ``slices``: whole masks. ``ends``: axes whose outermost slices to mark. ``points``: number of
    clicks; ``hint`` is the residual they may follow and ``shown`` the mask on show, float [D, H, W]
    in [0, 1] each, None where there is none yet.
    """

    slices: tuple[Slice, ...] = ()
    ends: tuple[int, ...] = ()
    points: int = 0
    hint: NDArray[Any] | None = None
    shown: NDArray[Any] | None = None


class User(Protocol):
    """Someone who annotates one case; simulated here, a person behind a viewer elsewhere."""

    def allowed(self, axis: int) -> NDArray[np.bool_] | None:
        """Return which slices of an axis may be asked for, bool [size]; None: every one."""

    def answer(self, request: Request, annotation: Annotation) -> Annotation:
        """Return the annotation with the answer to the request added."""

    def satisfied(self, proxy: NDArray[Any], probs: NDArray[Any]) -> bool:
        """Tell whether front end and back end, float [D, H, W] each, are good enough."""


@dataclass(frozen=True, kw_only=True)
class Oracle:
    """A user who knows the reference: exact masks of whole slices unless told to err.

    A slice without the object is answered with an empty mask. The released code never asks for
    such a slice, which tells the learner where the object is: ``leak`` repeats that. The errors
    are ours: ``jitter`` moves the outline by a smooth random displacement (Gaussian of 3 pixels)
    whose root mean square length is that many pixels; ``miss`` is the probability that a slice
    is answered "empty" whatever it holds. End marks and clicks are exact.

    With ``target`` the user is content once the hard Dice exceeds it: of the front end (the
    released "human" rule), of the back end ("model"), or of the better one. The user needs the
    reference for that; rules that do not are in :mod:`weakseg.online.stopping`.
    """

    jitter: float = 0.0
    miss: float = 0.0
    leak: bool = False
    target: float | None = None
    judged: Literal["front", "back", "better"] = "front"
    clicking: Clicking = "residual"

    def __post_init__(self) -> None:
        if self.jitter < 0:
            raise ValueError(f"jitter must be at least 0 pixels, got {self.jitter}")
        if not 0 <= self.miss <= 1:
            raise ValueError(f"miss must be a probability, got {self.miss}")
        if self.target is not None and not 0 <= self.target < 1:
            raise ValueError(f"target must be a Dice in [0, 1), got {self.target}")

    def meets(self, reference: NDArray[np.bool_], key: Key) -> "SimulatedUser":
        """Return the user of one case.

        Args:
            reference: bool [D, H, W].
            key: of the randomness. The answer to a slice depends on it, on the slice and on that
                slice of the reference alone, not on what else is asked, when, or in what order.

        Raises:
            ValueError: the reference is not a binary volume.
        """
        return SimulatedUser(self, reference, key)


class SimulatedUser:
    """The user of one case, see :class:`Oracle`."""

    def __init__(self, oracle: Oracle, reference: NDArray[np.bool_], key: Key) -> None:
        if reference.ndim != 3 or reference.dtype != bool:
            raise ValueError(
                f"reference must be bool [D, H, W], got {reference.dtype} {reference.shape}"
            )
        self._oracle, self._reference, self._key = oracle, reference, key

    def allowed(self, axis: int) -> NDArray[np.bool_] | None:
        """Return where the object is if the user leaks, else None."""
        return self._present(axis) if self._oracle.leak else None

    def answer(self, request: Request, annotation: Annotation) -> Annotation:
        """Return the annotation with slices, ends and clicks added; known ends stay as they are.

        Raises:
            ValueError: a slice was answered before or does not exist.
        """
        marked = {end.axis for end in annotation.ends}
        added = annotation.extended(
            marks=[Mark(axis, index, self._mask(axis, index)) for axis, index in request.slices],
            ends=[self._ends(axis) for axis in request.ends if axis not in marked],
        )
        if request.points == 0:
            return added
        known = added.drawn()
        for voxel, _ in added.points:
            known[voxel] = True
        points = clicks(
            self._oracle.clicking,
            request.points,
            reference=self._reference,
            known=known,
            residual=request.hint,
            shown=request.shown,
            rng=generator(*self._key, "clicks", len(added.points)),
        )
        return added.extended(points=points)

    def satisfied(self, proxy: NDArray[Any], probs: NDArray[Any]) -> bool:
        """Tell whether the Dice at 0.5 exceeds the target; two empty masks agree."""
        if self._oracle.target is None:
            return False
        judged = {"front": [proxy], "back": [probs], "better": [proxy, probs]}
        scores = [dice(mask > 0.5, self._reference) for mask in judged[self._oracle.judged]]
        return any(np.isnan(score) or score > self._oracle.target for score in scores)

    def _mask(self, axis: int, index: int) -> NDArray[np.bool_]:
        if axis not in AXES or not 0 <= index < self._reference.shape[axis]:
            raise ValueError(
                f"slice {index} of axis {axis} does not exist in {self._reference.shape}"
            )
        mask = plane(self._reference, axis, index).copy()
        rng = generator(*self._key, "slice", axis, index)
        if rng.random() < self._oracle.miss:
            return np.zeros_like(mask)
        return displaced(mask, self._oracle.jitter, rng) if self._oracle.jitter else mask

    def _ends(self, axis: int) -> Ends:
        """Return the ends; for an absent object ends that leave no slice between them."""
        present = np.flatnonzero(self._present(axis))
        if len(present) == 0:
            return Ends(axis, self._reference.shape[axis], -1)
        return Ends(axis, int(present[0]), int(present[-1]))

    def _present(self, axis: int) -> NDArray[np.bool_]:
        others = tuple(other for other in AXES if other != axis)
        return np.asarray(self._reference.any(axis=others))


@dataclass(frozen=True, kw_only=True)
class FullAnnotation:
    """A user who draws every z slice in the first round: online learning with full annotation.

    Draws as ``oracle`` does, so that the comparison can be made with the same hand.
    """

    oracle: Oracle = field(default_factory=Oracle)

    def meets(self, reference: NDArray[np.bool_], key: Key) -> "FullUser":
        """Return the user of one case, see :meth:`Oracle.meets`."""
        return FullUser(self.oracle.meets(reference, key))


class FullUser:
    """The user of one case, see :class:`FullAnnotation`."""

    def __init__(self, user: SimulatedUser) -> None:
        self._user = user

    def allowed(self, axis: int) -> None:
        """Return None: any slice may be asked for, all of z will be answered."""

    def answer(self, request: Request, annotation: Annotation) -> Annotation:
        """Return the annotation with every z slice, whatever was asked for."""
        missing = set(range(annotation.shape[0])) - annotation.slices(0).keys()
        return self._user.answer(Request(tuple((0, z) for z in sorted(missing))), annotation)

    def satisfied(self, proxy: NDArray[Any], probs: NDArray[Any]) -> bool:
        """Return True: nothing is left to say."""
        return True


def displaced(
    mask: NDArray[np.bool_], amplitude: float, rng: np.random.Generator
) -> NDArray[np.bool_]:
    """Return a mask with its outline moved smoothly at random.

    Args:
        mask: bool [H, W].
        amplitude: root mean square length of the displacement, pixels.
        rng: generator of the displacement.

    Returns:
        bool [H, W]; empty only where the mask is: who sees the object draws something. An outline
        that the array cuts stays cut, so a full slice stays full.
    """
    if not mask.any() or mask.all():
        return mask
    noise = rng.standard_normal((2, *mask.shape))
    moves = ndimage.gaussian_filter(noise, (0, SIGMA, SIGMA))
    moves *= amplitude / np.sqrt((moves**2).sum(axis=0).mean())
    signed = ndimage.distance_transform_edt(mask) - ndimage.distance_transform_edt(~mask)
    places = np.indices(mask.shape) + moves
    moved: NDArray[np.bool_] = ndimage.map_coordinates(signed, places, order=1, mode="nearest") > 0
    return moved if moved.any() else mask
