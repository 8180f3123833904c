"""What the units' own past explains is taken off before they are compared (CUPED).

References:
    Deng, Xu, Kohavi & Walker, *Improving the sensitivity of online controlled experiments by
    utilizing pre-experiment data*, WSDM 2013.
"""

from __future__ import annotations

from sbhooks_experiments.statistics import Arm, linearise, of_values
from sbhooks_experiments.units import Sample

_LEAST_UNITS = 20  # per variant; below, the slope is a guess
_LEAST_PAST = 0.5  # share of the units that must have a past


def adjusted(control: Sample, treatment: Sample) -> tuple[tuple[Arm, Arm] | None, float | None]:
    """Arms without what the past explains, and the share of the variance that went.

    Returns:
        Twice ``None`` where there is too little past, or where it explains nothing.
    """
    import numpy as np

    if min(control.n, treatment.n) < _LEAST_UNITS:
        return None, None
    pasts = (control.past, treatment.past)
    known = [~np.isnan(past) for past in pasts]
    if min(float(mask.mean()) for mask in known) < _LEAST_PAST:
        return None, None
    values = (linearise(control.top, control.bottom), linearise(treatment.top, treatment.bottom))
    mean = float(np.concatenate([p[m] for p, m in zip(pasts, known, strict=True)]).mean())
    centred = [np.where(m, p - mean, 0.0) for p, m in zip(pasts, known, strict=True)]
    within = [c - c.mean() for c in centred]
    below = sum(float((w * w).sum()) for w in within)
    if below <= 0:
        return None, None
    above = sum(float((w * v).sum()) for w, v in zip(within, values, strict=True))
    slope = above / below
    plain = [of_values(v) for v in values]
    arms = [of_values(v - slope * c) for v, c in zip(values, centred, strict=True)]
    before = sum(one.se2 for one in plain)
    after = sum(one.se2 for one in arms)
    if before <= 0 or after >= before:
        return None, None
    return (arms[0], arms[1]), 1 - after / before
