"""Bandit mode: the better variant gets more units while the experiment runs.

Thompson sampling gives a variant as many units as the probability that it is the better one.
With two variants that probability is known without drawing: the normal posterior of the
difference, from an empirical prior. It moves after every full batch of outcomes only, and never
beyond the least share, so the other variant can still show itself.

What is estimated on the way is biased: a variant that began badly by chance is tried less and has
less chance to recover. A bandit is for losing little meanwhile, not for measuring.

References:
    Thompson, *On the likelihood that one unknown probability exceeds another*, Biometrika 25
    (1933).
    Nie, Tian, Taylor & Zou, *Why adaptively collected data have negative bias and how to correct
    for it*, AISTATS 2018.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from sbhooks_experiments.comparison import difference_of
from sbhooks_experiments.plan import Plan
from sbhooks_experiments.statistics import arm
from sbhooks_experiments.units import UnitTable, unit_table

if TYPE_CHECKING:
    from sbhooks_experiments.log import Columns

_LEAST = 2  #: Units of each variant before anything moves.


def share(columns: Columns, plan: Plan) -> float:
    """The treatment's share of new units: a function of the full batches of outcomes."""
    full = len(columns.acted) // plan.batch * plan.batch
    if not full:
        return plan.ratio
    table = unit_table(_until(columns, full), plan.primary[:1])
    probability = treatment_is_better(table, plan)
    if probability is None:
        return plan.ratio
    return min(1 - plan.min_share, max(plan.min_share, probability))


def treatment_is_better(table: UnitTable, plan: Plan) -> float | None:
    """The posterior probability; ``None`` while units are too few or do not differ."""
    from scipy.special import ndtr

    metric = plan.primary[0]
    samples = [table.sample(metric, treated=treated) for treated in (False, True)]
    if min(sample.n for sample in samples) < _LEAST:
        return None
    binary = metric == "completion_rate" and all((s.bottom == 1).all() for s in samples)
    control, treatment = (arm(s.top, s.bottom, binary=binary) for s in samples)
    difference = difference_of((control, treatment))
    if difference.se == 0:
        return None
    # A prior as wide as one unit of each variant says: it matters only while units are few.
    prior = control.variance + treatment.variance
    shrink = prior / (prior + difference.se**2) if prior > 0 else 1.0
    z = difference.effect * math.sqrt(shrink) / difference.se
    return float(ndtr(z if metric.higher_is_better else -z))


def _until(columns: Columns, outcomes: int) -> Columns:
    """The log up to its n-th outcome."""
    from sbhooks_experiments.log import Columns as Made

    cut, end = Made(), columns.acted_us[outcomes - 1]
    exposures = sum(at <= end for at in columns.exposed_us)
    cut.units = columns.units
    for name in ("exposed", "treated", "exposed_us", "shares"):
        setattr(cut, name, getattr(columns, name)[:exposures])
    for name in ("acted", "skills", "completed", "seconds", "stars", "acted_us"):
        setattr(cut, name, getattr(columns, name)[:outcomes])
    return cut
