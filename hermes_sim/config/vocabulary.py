"""Words that several parts share: functions of digital units, read modes, kernels, samplers, timings of a row."""

from __future__ import annotations

from enum import StrEnum


class Function(StrEnum):
    """What a digital unit computes on one value (mac: one multiply and one add)."""

    MAC = "mac"
    ADD = "add"
    MUL = "mul"
    COMPARE = "compare"
    EXP = "exp"
    COS = "cos"
    SIN = "sin"
    DIV = "div"
    RSQRT = "rsqrt"
    SIGMOID = "sigmoid"
    TANH = "tanh"

    @property
    def ops(self) -> int:
        """Operations one evaluation counts for (the field counts a multiply-accumulate as two)."""
        return 2 if self is Function.MAC else 1


class ReadMode(StrEnum):
    """How a signed product is read: both signs in one read, or each sign pair in a read of its own."""

    ONE_PHASE = "one_phase"
    FOUR_PHASE = "four_phase"


class Kernel(StrEnum):
    """Kernels with random features whose projection is a matrix product."""

    RBF = "rbf"
    ARCCOS0 = "arccos0"
    ARCCOS1 = "arccos1"
    ARCCOS2 = "arccos2"
    SOFTMAX = "softmax"


# Of these, the kernels of kernel ridge; the softmax kernel is that of attention.
RIDGE_KERNELS = tuple(kernel for kernel in Kernel if kernel is not Kernel.SOFTMAX)


class Sampler(StrEnum):
    """How projections are drawn.

    ORF_PUBLISHED leaves the orthogonal factor as a Householder QR gives it, as the runs of [BU24] did: its diagonal is
    mostly negative, so that projections lean against the axes. RBF and softmax features, with random phases or both
    signs, do not see it; arc-cosine features do not converge to the kernel. ORF draws uniformly over rotations.
    """

    RFF = "rff"
    ORF = "orf"
    SORF = "sorf"
    ORF_PUBLISHED = "orf_published"


class Timing(StrEnum):
    """What the time of a row is: of one request alone, waited for, or of one of many that follow each other."""

    RESPONSE = "response"
    BACK_TO_BACK = "back_to_back"

    @classmethod
    def usual(cls, batch: int) -> Timing:
        """Of a batch that nothing more is said of: one is a request that is waited for, many are a stream."""
        return cls.RESPONSE if batch == 1 else cls.BACK_TO_BACK

    @property
    def words(self) -> str:
        """``back to back``."""
        return self.replace("_", " ")
