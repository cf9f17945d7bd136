"""Results that come out of a stage group by group, and how early the next stage may begin with them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

_FORGIVEN = 1e-9  # of a group: the last bits of a division


@dataclass(frozen=True)
class GroupStream:
    """How a stage takes a result in and gives it out: in groups, one after the other without a gap.

    Group i goes in at ``before_ps + i body_ps / n_groups`` after the stage has begun, and is out, whole,
    at ``before_ps + (i + 1) body_ps / n_groups + delay_ps``.

    Parameters
    ----------
    n_groups, share : how many groups there are, and how much of the result is in each; the last may hold less
    body_ps : for all groups
    before_ps : for what goes ahead of the first one
    delay_ps : what each is on the way
    passes_on : the next stage of this kind takes over while a group comes in, instead of when it is whole: links
    """

    n_groups: int
    share: float
    body_ps: int
    before_ps: int = 0
    delay_ps: int = 0
    passes_on: bool = False


@lru_cache(maxsize=4096)
def start_after_ps(source: GroupStream, target: GroupStream, part: tuple[float, float] = (0.0, 1.0)) -> int:
    """Time from the start of a stage to the earliest start of the next one that never has to wait for a group.

    Parameters
    ----------
    part : of the source's result, what the target takes of it
    """
    if source.passes_on and target.passes_on:
        return source.delay_ps
    low, high = part
    group = np.arange(target.n_groups, dtype=np.int64)
    needed = low + (high - low) * np.minimum(1.0, (group + 1) * target.share)
    made = np.clip(np.ceil(needed / source.share - _FORGIVEN).astype(np.int64), 1, source.n_groups)
    out_ps = source.before_ps + source.delay_ps - (-made * source.body_ps // source.n_groups)
    begins_ps = target.before_ps + group * target.body_ps // target.n_groups
    return max(0, int((out_ps - begins_ps).max()))
