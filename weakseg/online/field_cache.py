"""Displacement fields kept by content, so that rounds of a case register no pair twice."""

import hashlib
from collections import OrderedDict

import torch
from torch import Tensor

from weakseg.online.registration import Register


class FieldCache:
    """The fields used last, by a hash of both slices and the register's text.

    Args:
        megabytes: the oldest fields are dropped above this size.
    """

    def __init__(self, megabytes: float = 256) -> None:
        self.limit = megabytes * 2**20
        self.size = 0
        self._fields: OrderedDict[bytes, Tensor] = OrderedDict()

    def __len__(self) -> int:
        """Return the number of fields kept."""
        return len(self._fields)

    def fields(self, register: Register, fixed: Tensor, moving: Tensor) -> tuple[Tensor, int]:
        """Return the displacements of the pairs, registering those not kept, each pair once.

        Args:
            register: its text (``repr``) must tell it from every other one.
            fixed: float [P, H, W].
            moving: float [P, H, W].

        Returns:
            float [P, 2, H, W], pixels, and the number of pairs registered now.
        """
        keys = [_key(register, *pair) for pair in zip(fixed, moving, strict=True)]
        known = {key: self._fields[key] for key in keys if key in self._fields}
        new = {key: place for place, key in enumerate(keys) if key not in known}
        if new:
            places = torch.tensor(list(new.values()), device=fixed.device)
            made = register(fixed[places], moving[places])
            known.update(zip(new, made.unbind(), strict=True))
        for key in keys:
            self._keep(key, known[key])
        if not keys:
            return fixed.new_zeros((0, 2, *fixed.shape[1:])), 0
        return torch.stack([known[key] for key in keys]), len(new)

    def _keep(self, key: bytes, field: Tensor) -> None:
        if key not in self._fields:
            # A view would keep the whole batch alive.
            self._fields[key] = field.clone()
            self.size += field.nbytes
        self._fields.move_to_end(key)
        while self.size > self.limit and self._fields:
            self.size -= self._fields.popitem(last=False)[1].nbytes


def _key(register: Register, fixed: Tensor, moving: Tensor) -> bytes:
    content = hashlib.blake2b(f"{register!r} {tuple(fixed.shape)} {fixed.device.type}".encode())
    for image in (fixed, moving):
        content.update(image.cpu().contiguous().numpy().tobytes())
    return content.digest()
