"""All views' depth scales at once: from their ties, and from what they say about the surfaces that they share."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from recon3d.geometry import SE3
from recon3d.geometry.arrays import Array
from recon3d.scale.field import LIMIT, TERMS
from recon3d.scale.normal import Normal
from recon3d.scale.per_view import GATE, HUBER, MAD_TO_SIGMA, ViewScale, log_ratios, weighted_median
from recon3d.scale.sketch import Sketch, rays, shared
from recon3d.scale.ties import Ties

NETWORK = 0.1
"""Relative error of a network's depth that ties which agree don't disprove: they stand in few places."""
PAIR_SIGMA = 0.2
"""Relative difference of two views' depths of one point: both err."""
PAIR_WORTH = 3.0
"""Independent opinions in all the points that a pair of views shares. Few, as views that agree may be wrong together,
and depths that are all alike agree best of all."""
HIDDEN = 4.0
"""Differences beyond this many `PAIR_SIGMA` are of two surfaces, one before the other."""
MIN_SHARED = 50
"""Points that a pair must share to count."""
COMMON_SIGMA = 0.3
"""Standard deviation of the coefficients of the field that is common to all views: a network's habit."""
OWN_SIGMA = np.array([0.3, 0.2, 0.2, 0.2, 0.2, 0.2, 0.2])
"""Standard deviation of a view's scale about its first guess, and of its coefficients about the common ones."""
ROUNDS = 8
"""Of reweighting, at most."""
HELD_OUT_ROUNDS = 2
"""Of reweighting without the ties held out, from the solution with them: only weights remember those."""
FOLDS = 4
CELL = 0.1
"""Ties within a cube of this edge, as a share of the median tie's depth, are held out together."""
GAIN = 0.95
"""The held-out error must fall below this share of what the simpler model leaves."""

OUTLIER = 0.2
"""Difference of log depth from the others' that a view must have to be left out."""
MIN_PAIRS = 4
"""Pairs that must have been compared before they may outvote a view's ties."""
AGAINST = 0.8
"""Share of a view's pairs that must contradict it."""

Pairs = Sequence[tuple[str, str]]


@dataclass(frozen=True, eq=False)
class Evidence:
    """What is known of one view.

    Attributes:
        sketch: of its depth.
        world_from_cam: its pose [unit of the ties].
        scale: its own or inherited scale.
        ratio: (N,) log z_tie - log depth, of the ties on smooth depth.
        weight: (N,) of each, at most 1 in all for one patch of the photo.
        terms: (N, TERMS) of the field there.
        points: (N, 3) where in the world the ties are.
    """

    sketch: Sketch
    world_from_cam: SE3
    scale: ViewScale
    ratio: Array
    weight: Array
    terms: Array
    points: Array

    @property
    def typical_depth(self) -> float:
        """Its median depth at its scale [unit of the ties]; 0 where it has none."""
        return float(np.exp(self.sketch.middle + self.scale.log_scale)) if self.sketch.smooth.any() else 0.0

    def surface(self, scale: ViewScale) -> Array:
        """(N, 3) points of the world on smooth surfaces, at a scale [unit of the ties]."""
        directions, log_depth, terms = self.sketch.points()
        z = np.exp(log_depth + scale.log_scale + np.clip(terms[:, : len(scale.field)] @ scale.field, -LIMIT, LIMIT))
        points: Array = self.world_from_cam @ (directions * z[:, None])
        return points


def evidence(ties: Ties, depth: Array, sketch: Sketch, world_from_cam: SE3, scale: ViewScale) -> Evidence:
    """Gathers what `fit_jointly` needs, so that the depth map (H, W), 0 = none, need not be kept."""
    ratio, weight, uv = log_ratios(ties, depth)
    log_depth = np.log(depth[uv[:, 1], uv[:, 0]].astype(np.float64))
    points = world_from_cam @ (rays(sketch.camera, uv) * np.exp(ratio + log_depth)[:, None])
    return Evidence(sketch, world_from_cam, scale, ratio, weight, sketch.terms(uv, log_depth), points)


def fit_jointly(views: Mapping[str, Evidence], pairs: Pairs, *, field: bool) -> dict[str, ViewScale]:
    """Refines the scales of all views together, as far as that foretells ties that were held out.

    One least-squares problem: Huber's loss on each tie's log ratio, the same on the log ratio of the depths that the
    two views of a pair have of one point, and normal priors: each view's field is like the field common to all, which
    is what a network does wrong everywhere; each view's scale is like its first guess. Of three models the simplest is
    kept that the next does not beat by `GAIN` on held-out ties: the scales as they came, scales fitted jointly, scales
    with fields.

    Args:
        views: by name; their ties in one unit.
        pairs: names of views that may see the same surfaces.
        field: whether fields may be fitted.

    Returns:
        Scales in the order of `views`; `inherited` and `ties` as they came.
    """
    if not any(len(view.ratio) for view in views.values()):
        return {name: view.scale for name, view in views.items()}
    folds = folds_of(views)
    came = np.array([[view.scale.log_scale] for view in views.values()] + [[0.0]])
    left = _left(views, came)
    best, chosen = _typical(views, left), None
    for count in (1, TERMS) if field else (1,):
        start = np.pad(came, ((0, 0), (0, count - 1)))
        full = _solve(views, pairs, start, {name: np.ones(len(fold), bool) for name, fold in folds.items()}, ROUNDS)
        trial = {name: np.zeros(len(fold)) for name, fold in folds.items()}
        for held in range(FOLDS):
            kept = {name: fold != held for name, fold in folds.items()}
            without = _left(views, _solve(views, pairs, full, kept, HELD_OUT_ROUNDS))
            for name in views:
                trial[name][~kept[name]] = without[name][~kept[name]]
        if (error := _typical(views, trial)) < GAIN * best:
            best, left, chosen = error, trial, full
    if chosen is None:
        return {name: view.scale for name, view in views.items()}
    return {
        name: _scale_of(view, coefficients, left[name], best)
        for (name, view), coefficients in zip(views.items(), chosen, strict=False)
    }


def contradicted(views: Mapping[str, Evidence], scales: Mapping[str, ViewScale], pairs: Pairs) -> tuple[str, ...]:
    """Names of the views that nearly all others contradict about how far away things are.

    A view is one when the median over its pairs is off by more than `OUTLIER` and by `GATE` times what is usual
    here, and no fewer than `AGAINST` of its pairs say so, the same way.

    Args:
        views: by name.
        scales: as `fit_jointly` found them.
        pairs: as it used them.
    """
    x = np.stack([_row(scale) for scale in scales.values()])
    off: dict[str, list[float]] = {name: [] for name in views}
    for one, other, _, _, residual in _differences(views, pairs, x):
        middle = float(np.median(residual))
        off[one].append(middle)
        off[other].append(-middle)
    usual = MAD_TO_SIGMA * float(np.median(np.abs([m for middles in off.values() for m in middles] or [0.0])))
    limit = max(OUTLIER, GATE * usual)
    found = []
    for name, middles in off.items():
        middle = np.median(middles) if len(middles) >= MIN_PAIRS else 0.0
        if abs(middle) > limit and np.mean(np.sign(middle) * np.array(middles) > limit / 2) >= AGAINST:
            found.append(name)
    return tuple(found)


def _scale_of(view: Evidence, coefficients: Array, left: Array, everywhere: float) -> ViewScale:
    """The scale is the median correction over the photo; the field is what it varies about that."""
    terms = view.sketch.points()[2][:, : len(coefficients)]
    middle = float(np.median(terms @ coefficients)) if len(terms) else float(coefficients[0])
    field = (float(coefficients[0] - middle), *coefficients[1:].tolist()) if len(coefficients) > 1 else ()
    sigma = everywhere if view.scale.inherited else weighted_median(np.abs(left), view.weight)
    return replace(view.scale, log_scale=middle, field=field, relative_sigma=MAD_TO_SIGMA * sigma)


def _row(scale: ViewScale) -> Array:
    """(TERMS,) the coefficients that a scale stands for."""
    row = np.zeros(TERMS)
    row[: len(scale.field)] = scale.field
    row[0] += scale.log_scale
    return row


def folds_of(views: Mapping[str, Evidence]) -> dict[str, Array]:
    """(N,) which ties of each view are held out together: those of one place in the world, in all views."""
    depths = [np.linalg.norm(view.points - view.world_from_cam.t, axis=1) for view in views.values()]
    size = CELL * float(np.median(np.concatenate(depths)))
    primes = np.array([73856093, 19349663, 83492791])
    return {
        name: (np.floor(view.points / size).astype(np.int64) * primes).sum(axis=1) // 7 % FOLDS
        for name, view in views.items()
    }


def _left(views: Mapping[str, Evidence], coefficients: Array) -> dict[str, Array]:
    """(N,) what each view's row of coefficients leaves of the log ratio of its ties."""
    left = {}
    for (name, view), x in zip(views.items(), coefficients, strict=False):
        left[name] = view.ratio - x[0] - np.clip(view.terms[:, 1 : len(x)] @ x[1:], -LIMIT, LIMIT)
    return left


def _typical(views: Mapping[str, Evidence], left: Mapping[str, Array]) -> float:
    """Median error over all ties."""
    return weighted_median(
        np.abs(np.concatenate(list(left.values()))), np.concatenate([view.weight for view in views.values()])
    )


def _solve(views: Mapping[str, Evidence], pairs: Pairs, x: Array, kept: Mapping[str, Array], rounds: int) -> Array:
    """(N + 1, count) coefficients of each view, and last of the common field, by reweighting.

    Args:
        views: by name.
        pairs: of names.
        x: (N + 1, count) to start from.
        kept: (N,) bool, ties of each view that may be used.
        rounds: of reweighting, at most.
    """
    count = x.shape[1]
    row = {name: i for i, name in enumerate(views)}
    sigma = 2 * NETWORK
    for _ in range(rounds):
        normal = Normal(len(x), count)
        residuals = []
        for name, view in views.items():
            mine = kept[name]
            terms, ratio = view.terms[mine, :count], view.ratio[mine]
            residual = ratio - terms @ x[row[name]]
            residuals.append(residual)
            normal.add(row[name], terms, ratio, view.weight[mine] * _huber(residual, sigma))
        for one, other, ours, theirs, residual in _differences(views, pairs, x):
            a, b = row[one], row[other]
            weight = np.where(np.abs(residual) <= HIDDEN * PAIR_SIGMA, _huber(residual, PAIR_SIGMA), 0)
            weight *= min(1.0, PAIR_WORTH / len(residual))
            # The baseline is left out of the derivative: depths that grow without end look alike from everywhere.
            normal.add_difference(a, b, ours, theirs, ours @ x[a] - theirs @ x[b] - residual, weight)
        _add_priors(normal, views, count)
        before, x = x, normal.solved()
        everything = np.abs(np.concatenate(residuals))
        sigma = max(NETWORK, MAD_TO_SIGMA * float(np.median(everything)) if len(everything) else 0.0)
        if np.abs(x - before).max() < 1e-4:
            break
    return x


def _add_priors(normal: Normal, views: Mapping[str, Evidence], count: int) -> None:
    """Each view's scale is near its first guess, its field near the common one, and that one near none."""
    common, free = len(views), np.full(count, np.inf)
    of_scale, of_field, guess = free.copy(), free.copy(), np.zeros(count)
    of_scale[0], of_field[1:] = OWN_SIGMA[0], OWN_SIGMA[1:count]
    for row, view in enumerate(views.values()):
        guess[0] = view.scale.log_scale
        normal.add_prior(row, guess, of_scale)
        normal.add_likeness(row, common, of_field)
    normal.add_prior(common, np.zeros(count), np.full(count, COMMON_SIGMA))


def _differences(
    views: Mapping[str, Evidence], pairs: Pairs, x: Array
) -> Iterator[tuple[str, str, Array, Array, Array]]:
    """Of each pair its names, both (M, count) terms and (M,) differences of log depth, at points that both see."""
    row, count = {name: i for i, name in enumerate(views)}, x.shape[1]
    last, points = "", np.empty((0, 3))
    for one, other in pairs:
        if one != last:  # pairs come by their first view
            directions, log_depth, terms = views[one].sketch.points()
            z = np.exp(log_depth + terms[:, :count] @ x[row[one]])
            last, points = one, views[one].world_from_cam @ (directions * z[:, None])
        both = shared(points, views[other].world_from_cam.inverse(), views[other].sketch)
        if len(both.index) < MIN_SHARED:
            continue
        theirs = both.terms[:, :count]
        residual = both.log_z - both.log_depth - theirs @ x[row[other]]
        yield one, other, terms[both.index, :count], theirs, residual


def _huber(residual: Array, sigma: float) -> Array:
    """(N,) weights [1 / variance] of Huber's loss."""
    weight: Array = np.minimum(1.0, HUBER * sigma / np.maximum(np.abs(residual), 1e-12)) / sigma**2
    return weight
