"""The loop of one case: look, ask, propagate, learn (Sec. 3.1 of our spec, after the code)."""

import time
from collections.abc import Iterator
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from weakseg.online.annotation import Annotation
from weakseg.online.growcut import GrowCut, grow_cut
from weakseg.online.guidance import propose
from weakseg.online.loss_weights import weights
from weakseg.online.memory import Sample
from weakseg.online.method import Interaction, OnlineMethod
from weakseg.online.oracle import Request, User
from weakseg.online.proxy import FieldCache, Proxy, propagate
from weakseg.online.smoothing import target
from weakseg.online.stopping import reached

Volume = NDArray[np.float32]


class StreamCase(NamedTuple):
    """One case as it arrives: what the learner may see, and a user to ask.

    ``position`` counts from 1; ``image`` is float32 [M, D, H, W]; ``spacing`` is mm along D, H, W.
    """

    position: int
    name: str
    image: Volume
    spacing: tuple[float, float, float]
    user: User


class Learner(Protocol):
    """What the loop needs of a network that learns."""

    def predict(self, image: Volume) -> Volume:
        """Return foreground probabilities float32 [D, H, W] of an image [M, D, H, W]."""

    def learn(self, sample: Sample, round_number: int, updates: int) -> dict[str, float]:
        """Make that many updates on the sample and what is replayed with it; return mean losses."""


class Progress(NamedTuple):
    """Where a case stands after a round: what an interrupted one goes on from.

    ``before`` are the probabilities by the network before it learnt anything of the case, and
    ``front`` and ``back`` the proxy and the probabilities of the last round, float32 [D, H, W].
    """

    round: int
    before: Volume
    annotation: Annotation
    front: Volume | None


class Round(NamedTuple):
    """What one round did.

    ``back`` are the probabilities before the round learnt, ``after`` those it led to;
    ``residual`` is what guided the user, None where no proxy was known; seconds are those of
    asking and propagating, and of learning.
    """

    progress: Progress
    back: Volume
    after: Volume
    residual: Volume | None
    proxy: Proxy
    sample: Sample
    losses: dict[str, float]
    asked_seconds: float
    learn_seconds: float


def interact(
    case: StreamCase,
    learner: Learner,
    method: OnlineMethod,
    *,
    updates: int,
    total: int,
    seed: int,
    begun: Progress | None = None,
) -> Iterator[Round]:
    """Yield after each round of a case, until it is finished.

    Args:
        case: its reference is out of reach; only ``case.user`` answers from it.
        learner: predicts, and learns from targets.
        method: how the user is asked and how marks become targets.
        updates: N of the budget.
        total: length of the stream.
        seed: of the run.
        begun: where an interrupted case stood; the rounds that follow are those that would have.
    """
    plan, fields = method.interaction, FieldCache()
    back = learner.predict(case.image)
    state = begun or Progress(0, back, Annotation(_shape(case.image)), None)
    while not _finished(case, plan, state, back):
        started = time.monotonic()
        number = state.round + 1
        residual = None if state.front is None else np.abs(state.front - back)
        annotation = _asked(case, plan, state, back, residual, seed)
        if state.round and _said(annotation) == _said(state.annotation):
            return  # nothing is left to ask
        proxy = _front(case.image, annotation, plan, back, fields)
        state = Progress(number, state.before, annotation, proxy.soft)
        sample = _sample(case, method, state, proxy, back, total)
        learning = time.monotonic()
        steps = plan.updates(number, updates)
        losses = learner.learn(sample, number, steps)
        done = time.monotonic()
        before, back = back, learner.predict(case.image)
        yield Round(
            state, before, back, residual, proxy, sample, losses,
            learning - started, done - learning,
        )  # fmt: skip


def _shape(image: Volume) -> tuple[int, int, int]:
    depth, height, width = image.shape[1:]
    return depth, height, width


def full_sample(case: StreamCase, method: OnlineMethod) -> Sample:
    """Return the full annotation of a case to learn from, without mixing anything in."""
    annotation = case.user.answer(Request(), Annotation(_shape(case.image)))
    mask = annotation.overwrite(np.zeros(annotation.shape, np.float32))
    weight = weights(
        method.loss_weights, annotation=annotation, proxy=mask, probs=mask, image=case.image
    )
    return Sample(case.name, case.position, case.image, mask, weight)


def _front(
    image: Volume, annotation: Annotation, plan: Interaction, back: Volume, fields: FieldCache
) -> Proxy:
    """Return the mask that the user's marks and clicks lead to."""
    if isinstance(plan.propagation, GrowCut):
        return grow_cut(image, annotation, plan.propagation, back)
    return propagate(image, annotation, plan.propagation, fields)


def _finished(case: StreamCase, plan: Interaction, state: Progress, back: Volume) -> bool:
    if state.round == 0:
        return False
    why = reached(
        plan.stop,
        state.round,
        annotation=state.annotation,
        proxy=state.front,
        probs=back,
        user=case.user,
    )
    return why is not None


def _said(annotation: Annotation) -> int:
    return len(annotation.marks) + len(annotation.points)


def _asked(
    case: StreamCase,
    plan: Interaction,
    state: Progress,
    back: Volume,
    residual: Volume | None,
    seed: int,
) -> Annotation:
    """Return the annotation with the user's answers of this round: first ends, then slices."""
    annotation = state.annotation
    if state.round == 0 and plan.ends:
        annotation = case.user.answer(Request(ends=plan.ends), annotation)
    slices = propose(
        plan.guidance,
        proxy=state.front,
        probs=back,
        before=state.before,
        annotation=annotation,
        axes=plan.axes,
        each=plan.each,
        allowed=case.user.allowed,
        key=(seed, "propose", case.name, state.round + 1),
    )
    request = Request(slices, points=plan.points, hint=residual, shown=state.front)
    return case.user.answer(request, annotation)


def _sample(
    case: StreamCase,
    method: OnlineMethod,
    state: Progress,
    proxy: Proxy,
    back: Volume,
    total: int,
) -> Sample:
    """Return what is learnt from: the target, mixed with the network before the case."""
    front = proxy.soft if method.interaction.soft else proxy.hard.astype(np.float32)
    mixed = target(
        method.smoothing,
        before=state.before,
        proxy=front,
        drawn=state.annotation.drawn(),
        seen=case.position,
        total=total,
        warm=0,
        confidence=proxy.confidence,
    )
    weight = weights(
        method.loss_weights,
        annotation=state.annotation,
        proxy=front,
        probs=back,
        image=case.image,
    )
    return Sample(case.name, case.position, case.image, mixed, weight)
