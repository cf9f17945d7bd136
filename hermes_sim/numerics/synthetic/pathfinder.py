"""Pathfinder: do the two discs end the same dashed contour? (Linsley et al. 2018, as in Long Range Arena.)

Two contours of equally many dashes (paddles) begin some pixels apart and grow in turn, each dash turned from the one
before by an angle drawn like cos^2; shorter contours distract. The picture is drawn before its label is: one disc is at
the beginning of one of the two contours, the other at the far end of the same (1) or of the other one (0).
Lengths are in pixels, angles in radians.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import cos, pi, sin
from typing import TYPE_CHECKING, Final

import numpy as np

from hermes_sim._jit import njit, njit_kernel
from hermes_sim.numerics.synthetic.draws import bits, uniform
from hermes_sim.rng import child_key, vector_key

if TYPE_CHECKING:
    from numpy.typing import NDArray

    F64 = NDArray[np.float64]
    Space = tuple[int, float, float]  # pixels each way, least distance of paddles, part of every turn that is made

_LONG: Final = 2.0  # of a paddle
_GAP: Final = 1.0  # between paddles of a contour
_THICK: Final = 0.5
_CONTRAST: Final = (0.75, 2.0)  # brightness of a paddle where it covers a pixel: what is above 1 is white
_RADIUS: Final = 1.5  # of a disc
_EDGE: Final = 1.0  # of the picture that stays free, but for discs
_FINE: Final = 2  # points per pixel each way that are drawn, then averaged
_TURNS: Final = 20  # tries to put a paddle
_BACK: Final = 2  # paddles that are taken away where none can be put
_TRIES: Final = 20  # times of that, and tries to put a distractor; then the picture begins anew
_WHITE: Final = 255
_ONE = np.uint64(1)


@dataclass(frozen=True)
class _Version:
    """What is in a picture.

    Parameters
    ----------
    side : pixels each way
    paddles : of each of the two contours; apart : distance of their beginnings
    clear : least distance of the middle lines of paddles that do not follow each other
    bend : by what turns between paddles are multiplied; 0: straight contours
    """

    side: int
    paddles: int
    apart: float
    clear: float
    distractors: int
    distractor_paddles: int
    bend: float = 1.0

    def eased(self, ease: float) -> _Version:
        """A version that is easier: shorter and straighter contours that begin farther apart, fewer distractors."""
        return replace(
            self,
            paddles=round(self.paddles + ease * (_EASIEST_PADDLES - self.paddles)),
            apart=self.apart + ease * (_EASIEST_APART_FRAC * self.side - self.apart),
            distractors=round(self.distractors * (1 - ease)),
            bend=1 - ease,
        )


_EASIEST_PADDLES: Final = 3
_EASIEST_APART_FRAC: Final = 0.5  # of the side of a picture
_VERSIONS: Final = {1024: _Version(32, 14, 7, 2.25, 5, 4), 256: _Version(16, 6, 4, 1.75, 2, 3)}
PATHFINDER_LENGTHS: Final = tuple(_VERSIONS)


def make_pathfinder(
    part: str, n: int, *, pixels: int, ease: float = 0.0, seed: int = 0
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Make so many pictures, (n, pixels) row by row from 0 to 255, and their labels, (n,).

    Parameters
    ----------
    part : ``train``, ``validation`` or ``test``: each has streams of its own, one per picture
    pixels : 1024 (32 x 32, contours of 14 paddles, 5 distractors of 4) or 256 (16 x 16, 6 paddles, 2 distractors of 3)
    ease : from 0, the task, to 1: straight contours of three paddles, far apart, no distractors; to begin training with
    """
    version = _VERSIONS[pixels].eased(ease)
    pictures, labels = np.zeros((n, pixels), np.uint8), np.zeros(n, np.int64)
    counts = np.array([version.paddles, version.distractors, version.distractor_paddles])
    space = (version.side, version.clear, version.bend)
    streams = f"{part} {ease}" if ease else part
    key = np.uint64(child_key(seed, "pathfinder", streams, pixels))
    _fill(pictures, labels, key, counts, space, version.apart)
    return pictures, labels


@njit
def _fill(
    pictures: NDArray[np.uint8],
    labels: NDArray[np.int64],
    key: np.uint64,
    counts: NDArray[np.int64],
    space: Space,
    apart: float,
) -> None:
    side = space[0]
    paddles, distractors, distractor_paddles = counts
    put = np.zeros((2 * paddles + distractors * distractor_paddles, 5))  # begin (y, x), end (y, x), direction
    fine, disc = np.zeros((side * _FINE, side * _FINE)), np.zeros(4)
    for i in range(len(pictures)):
        stream = np.array([vector_key(key, np.uint64(i)), np.uint64(0)])
        while not (
            _contours(put, paddles, space, apart, stream)
            and _distractors(put, 2 * paddles, distractor_paddles, space, stream)
        ):
            pass
        first, labels[i] = np.int64(bits(stream) & _ONE), np.int64(bits(stream) & _ONE)
        second = first if labels[i] == 1 else 1 - first
        fine[:] = 0.0
        for n in range(len(put)):
            _draw(fine, put[n], _THICK / 2, uniform(stream, _CONTRAST[0], _CONTRAST[1]))
        for at in (put[first, :2], put[2 * paddles - 2 + second, 2:4]):
            disc[:2], disc[2:] = at, at
            _draw(fine, disc, _RADIUS, 1.0)
        for y in range(side):
            for x in range(side):
                mean = fine[y * _FINE : (y + 1) * _FINE, x * _FINE : (x + 1) * _FINE].mean()
                pictures[i, y * side + x] = np.uint8(np.rint(_WHITE * min(mean, 1.0)))


@njit_kernel
def _contours(put: F64, paddles: int, space: Space, apart: float, stream: NDArray[np.uint64]) -> bool:
    """Put two contours, paddle after paddle in turn: those of the one have even numbers."""
    put[0, 0], put[0, 1] = uniform(stream, 0.0, space[0]), uniform(stream, 0.0, space[0])
    around = uniform(stream, -pi, pi)
    put[1, 0], put[1, 1] = put[0, 0] + apart * sin(around), put[0, 1] + apart * cos(around)
    for n in range(2):
        _lay(put[n], uniform(stream, -pi, pi))
        if not _fits(put, n, -1, space):
            return False
    return _grow(put, 2, 2 * paddles, 2, space, stream)


@njit_kernel
def _distractors(put: F64, n: int, paddles: int, space: Space, stream: NDArray[np.uint64]) -> bool:
    """Put shorter contours behind the first n paddles."""
    tries = 0
    while n < len(put):
        put[n, 0], put[n, 1] = uniform(stream, 0.0, space[0]), uniform(stream, 0.0, space[0])
        _lay(put[n], uniform(stream, -pi, pi))
        if _fits(put, n, -1, space) and _grow(put, n + 1, n + paddles, 1, space, stream):
            n += paddles
            tries = 0
        tries += 1
        if tries > _TRIES:
            return False
    return True


@njit_kernel
def _lay(paddle: F64, direction: float) -> None:
    """Lay a paddle from where it begins."""
    paddle[2], paddle[3] = paddle[0] + _LONG * sin(direction), paddle[1] + _LONG * cos(direction)
    paddle[4] = direction


@njit_kernel
def _grow(put: F64, begin: int, end: int, contours: int, space: Space, stream: NDArray[np.uint64]) -> bool:
    """Put some more paddles of one contour, or of two in turn; where there is no way on, a few steps back."""
    n, dead_ends = begin, 0
    while n < end and dead_ends <= _TRIES:
        if _follow(put, n, n - contours, space, stream):
            n += 1
        else:
            n = max(n - _BACK * contours, begin)
            dead_ends += 1
    return n == end


@njit_kernel
def _follow(put: F64, n: int, before: int, space: Space, stream: NDArray[np.uint64]) -> bool:
    """Put paddle n so that it goes on where another one ends."""
    for _ in range(_TURNS):
        turn = uniform(stream, -pi / 2, pi / 2)
        if uniform(stream, 0.0, 1.0) > cos(turn) ** 2:
            continue
        old, new = put[before, 4], put[before, 4] + space[2] * turn
        put[n, 0] = put[before, 2] + _GAP / 2 * (sin(old) + sin(new))
        put[n, 1] = put[before, 3] + _GAP / 2 * (cos(old) + cos(new))
        _lay(put[n], new)
        if _fits(put, n, before, space):
            return True
    return False


@njit_kernel
def _fits(put: F64, n: int, before: int, space: Space) -> bool:
    """Whether paddle n is inside the picture and away from all that were put, but the one that it follows."""
    new, (side, clear, _) = put[n], space
    if min(new[0], new[1], new[2], new[3]) < _EDGE or max(new[0], new[1], new[2], new[3]) > side - _EDGE:
        return False
    for other in range(n):
        old = put[other]
        # paddles that cross have an end nearer than this, too
        if other != before and (
            _away(new[0], new[1], old) < clear * clear
            or _away(new[2], new[3], old) < clear * clear
            or _away(old[0], old[1], new) < clear * clear
            or _away(old[2], old[3], new) < clear * clear
        ):
            return False
    return True


@njit_kernel
def _away(y: float, x: float, line: F64) -> float:
    """Square of the distance of a point from a line between two points."""
    dy, dx = line[2] - line[0], line[3] - line[1]
    square = dy * dy + dx * dx
    along = 0.0 if square == 0.0 else min(max(((y - line[0]) * dy + (x - line[1]) * dx) / square, 0.0), 1.0)
    off_y, off_x = y - line[0] - along * dy, x - line[1] - along * dx
    return float(off_y * off_y + off_x * off_x)


@njit_kernel
def _draw(fine: F64, line: F64, radius: float, brightness: float) -> None:
    """Draw all points that are not farther from a line."""
    low_y, high_y = min(line[0], line[2]) - radius, max(line[0], line[2]) + radius
    low_x, high_x = min(line[1], line[3]) - radius, max(line[1], line[3]) + radius
    for y in range(max(int(low_y * _FINE), 0), min(int(high_y * _FINE) + 1, len(fine))):
        for x in range(max(int(low_x * _FINE), 0), min(int(high_x * _FINE) + 1, len(fine))):
            if _away((y + 0.5) / _FINE, (x + 0.5) / _FINE, line) <= radius * radius:
                fine[y, x] = max(fine[y, x], brightness)
