"""How far a camera moved between two photos with depth, and whether that can be believed."""

from dataclasses import dataclass, replace

import cv2
import numpy as np
import open3d as o3d

from recon3d.geometry import SE3, Camera
from recon3d.geometry.arrays import Array
from recon3d.poses.depth_view import DepthView

RATIO = 0.8
"""Lowe's ratio: a match is nearer than this times the second nearest."""
MIN_MATCHES = 12
"""Matches that must agree on a first motion; by chance a handful do."""
MATCH_PX = 2.0
"""Matches agree with a motion within this [px]."""
FIRM_MATCHES = 60
"""So many matches hold the camera better than Open3D's odometry, which compares whole pixels: 0.6 mm against 2.5 mm in
the made-up room, 2.4 cm against 3.4 cm on recorded depth of a kitchen."""
BAND = 0.05
"""Surfaces farther apart than this share of the scene's median depth are not the same, for odometry."""
FAR = 10.0
"""Depth beyond this many times the median is not compared."""
ITERATIONS = (10, 8, 6)
"""Of odometry, from the coarsest scale to the finest."""
SAME_SENSOR, SAME_NETWORK = 0.1, 0.25
"""Relative depth difference up to which two photos see the same thing: a network errs by 0.1 to 0.2 in each of them,
otherwise for the same thing."""
COARSE_PX = 12.0
"""Brightness is compared after its mean over about this neighbourhood is taken away: light is not structure [px]."""
FINE_PX = 1.5
"""And is blurred by this, so that an error of a pixel or two doesn't decide [px]."""
MIN_OVERLAP, MIN_DEPTH_SHARE, MIN_LIKENESS = 0.25, 0.5, 0.5
"""A motion is believed where this share of the pixels is in both photos, that share of them has one depth, and the
brightness there correlates by this."""


@dataclass(frozen=True, eq=False)
class Motion:
    """Where one camera stood as another saw it, in metres of the first one's depth.

    Attributes:
        b_from_a: maps the first camera's coordinates to the second's.
        log_scale: logarithm of what the second depth times makes metres of the first; 0 for a sensor's.
        overlap: share of the first photo's pixels with depth that the second sees.
        depth_share: share of those whose depth agrees.
        likeness: correlation of the brightness there, -1 to 1.
        information: (6, 6) how firmly the surfaces hold it, rotation first.
    """

    b_from_a: SE3
    log_scale: float
    overlap: float
    depth_share: float
    likeness: float
    information: Array

    @property
    def is_believed(self) -> bool:
        """Whether both photos show the same things there."""
        return self.overlap >= MIN_OVERLAP and self.depth_share >= MIN_DEPTH_SHARE and self.likeness >= MIN_LIKENESS


def motion(a: DepthView, b: DepthView, camera: Camera, *, metric: bool, guess: SE3 | None) -> Motion | None:
    """The motion from `a` to `b`: by features on depth, or by RGB-D odometry over all pixels where they are few.

    Odometry: Open3D's tensor pipeline from coarse to fine, of photometric and geometric error for a sensor's depth
    (Park, Zhou and Koltun, Colored point cloud registration revisited, ICCV 2017), and of photometric error alone for a
    network's (Steinbrücker et al., Real-time visual odometry from dense RGB-D images, 2011): its errors of a few in a
    hundred bend surfaces, and laying bent surfaces onto each other moves the camera, while they hardly move what a
    camera sees that stood still. Odometry follows only small motions; features carry it over large ones.

    Args:
        a: first view.
        b: second view.
        camera: of both.
        metric: both depths are a sensor's, in metres; otherwise the second is scaled to the first.
        guess: b_from_a to begin with where features say nothing; None = then there is no motion.

    Returns:
        The motion, to be believed or not as it says itself; None where there is nothing to begin with.
    """
    usual = _usual_depth(a), _usual_depth(b)
    if not all(usual):
        return None
    start = _by_features(a, b, camera)
    firm = False
    if start is not None:
        b_from_a, log_scale, matches = start
        firm = matches >= FIRM_MATCHES
    elif guess is not None:
        b_from_a, log_scale = guess, float(np.log(usual[0] / usual[1]))
    else:
        return None
    log_scale = 0.0 if metric else log_scale
    if not firm:
        scaled = replace(b, depth=b.depth * np.float32(np.exp(log_scale)))
        b_from_a = _odometry(a, scaled, camera, b_from_a, usual[0], metric=metric)
    if not metric:
        log_scale = _log_ratio(a, b, camera, b_from_a)
    scaled = replace(b, depth=b.depth * np.float32(np.exp(log_scale)))
    same = SAME_SENSOR if metric else SAME_NETWORK
    return _judged(a, scaled, camera, b_from_a, log_scale, usual[0], same)


def _usual_depth(view: DepthView) -> float:
    """Median [m]; 0 where there is none."""
    return float(np.median(view.depth[view.depth > 0])) if (view.depth > 0).any() else 0.0


def _by_features(a: DepthView, b: DepthView, camera: Camera) -> tuple[SE3, float, int] | None:
    """b_from_a, the log scale of b's depth, and how many features with depth agree on them; None if too few."""
    if min(len(a.uv), len(b.uv)) < MIN_MATCHES:
        return None
    matcher = cv2.BFMatcher(cv2.NORM_L2)
    two = matcher.knnMatch(a.descriptors.astype(np.float32), b.descriptors.astype(np.float32), k=2)
    clear = [(m.queryIdx, m.trainIdx) for m, n in two if m.distance < RATIO * n.distance]
    at_a, at_b = np.array(clear, int).reshape(-1, 2).T
    depth_a, depth_b = _at(a.depth, a.uv[at_a]), _at(b.depth, b.uv[at_b])
    known = (depth_a > 0) & (depth_b > 0)
    if known.sum() < MIN_MATCHES:
        return None
    uv_a, uv_b, depth_a, depth_b = a.uv[at_a][known], b.uv[at_b][known], depth_a[known], depth_b[known]
    rays = np.column_stack([(uv_a - [camera.cx, camera.cy]) / [camera.fx, camera.fy], np.ones(len(uv_a))])
    points = rays * depth_a[:, None].astype(np.float64)
    cv2.setRNGSeed(0)
    done, turn, t, inliers = cv2.solvePnPRansac(
        points, uv_b, camera.K, None, iterationsCount=300, reprojectionError=MATCH_PX, flags=cv2.SOLVEPNP_EPNP
    )
    if not done or inliers is None or len(inliers) < MIN_MATCHES:
        return None
    kept = inliers.ravel()
    turn, t = cv2.solvePnPRefineLM(points[kept], uv_b[kept], camera.K, None, turn, t)
    b_from_a = SE3(cv2.Rodrigues(turn)[0], t.ravel())
    z = (b_from_a @ points[kept])[:, 2]
    ahead = z > 0
    if ahead.sum() < MIN_MATCHES:
        return None
    return b_from_a, float(np.median(np.log(z[ahead] / depth_b[kept][ahead]))), int(ahead.sum())


def _at(values: Array, uv: Array) -> Array:
    """Of the nearest pixels."""
    height, width = values.shape
    u, v = np.rint(uv).astype(int).T
    found: Array = values[np.clip(v, 0, height - 1), np.clip(u, 0, width - 1)]
    return found


def _odometry(a: DepthView, b: DepthView, camera: Camera, b_from_a: SE3, usual: float, *, metric: bool) -> SE3:
    """The motion refined over all pixels; the one it began with where odometry finds nothing to go by."""
    pipeline = o3d.t.pipelines.odometry
    try:
        found = pipeline.rgbd_odometry_multi_scale(
            _rgbd(a),
            _rgbd(b),
            _tensor(camera.K),
            _tensor(b_from_a.matrix),
            depth_scale=1.0,
            depth_max=FAR * usual,
            criteria_list=[pipeline.OdometryConvergenceCriteria(count) for count in ITERATIONS],
            method=pipeline.Method.Hybrid if metric else pipeline.Method.Intensity,
            params=pipeline.OdometryLossParams(BAND * usual, BAND * usual / 2, 0.1),
        )
    except RuntimeError:  # a singular system: the surfaces don't overlap, or don't hold the camera
        return b_from_a
    matrix = found.transformation.numpy()
    return SE3.from_matrix(matrix) if np.isfinite(matrix).all() else b_from_a


def _rgbd(view: DepthView) -> o3d.t.geometry.RGBDImage:
    return o3d.t.geometry.RGBDImage(
        o3d.t.geometry.Image(_tensor(view.image)), o3d.t.geometry.Image(_tensor(view.depth))
    )


def _tensor(values: Array) -> o3d.core.Tensor:
    return o3d.core.Tensor.from_numpy(values.copy())  # it shares numpy's memory, and ours is read-only


@dataclass(frozen=True, eq=False)
class _Landed:
    """Where the pixels of one photo lie in another; each (H, W) float32.

    Attributes:
        u: column there [px].
        v: row there [px].
        found: depth there [m].
        z: depth that they should have there [m]; 0 = not seen.
    """

    u: Array
    v: Array
    found: Array
    z: Array


def _landed(a: DepthView, b: DepthView, camera: Camera, b_from_a: SE3) -> _Landed:
    there = b_from_a @ camera.backproject(a.depth)
    z = np.where((a.depth > 0) & (there[..., 2] > 1e-6), there[..., 2], 0).astype(np.float32)
    uv = camera.project(np.where(z[..., None] > 0, there, [0.0, 0.0, 1.0])).astype(np.float32)
    u, v = np.where(z > 0, uv[..., 0], -10), np.where(z > 0, uv[..., 1], -10)
    found = cv2.remap(b.depth, u, v, cv2.INTER_NEAREST, borderValue=0)
    return _Landed(u, v, found, np.where(found > 0, z, 0))


def _log_ratio(a: DepthView, b: DepthView, camera: Camera, b_from_a: SE3) -> float:
    """Median of log z of a's points as b should see them - log of b's depth; 0 where nothing is seen."""
    landed = _landed(a, b, camera, b_from_a)
    seen = landed.z > 0
    return float(np.median(np.log(landed.z[seen] / landed.found[seen]))) if seen.any() else 0.0


def _judged(
    a: DepthView, b: DepthView, camera: Camera, b_from_a: SE3, log_scale: float, usual: float, tolerance: float
) -> Motion:
    """The motion with what the photos say about it."""
    landed = _landed(a, b, camera, b_from_a)
    seen = landed.z > 0
    same = seen & (np.abs(landed.z - landed.found) < tolerance * landed.z)
    there = cv2.remap(_structure(b.image), landed.u, landed.v, cv2.INTER_LINEAR)
    information = o3d.t.pipelines.odometry.compute_odometry_information_matrix(
        o3d.t.geometry.Image(_tensor(a.depth)),
        o3d.t.geometry.Image(_tensor(b.depth)),
        _tensor(camera.K),
        _tensor(b_from_a.matrix),
        BAND * usual,
        depth_scale=1.0,
        depth_max=FAR * usual,
    )
    return Motion(
        b_from_a,
        log_scale,
        float(seen.sum() / (a.depth > 0).sum()),
        float(same.sum() / max(1, seen.sum())),
        _correlation(_structure(a.image)[same], there[same]),
        information.cpu().numpy().astype(np.float64),
    )


def _structure(image: Array) -> Array:
    """(H, W) float32 brightness less its mean around: what is there, not how it is lit."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)
    found: Array = cv2.GaussianBlur(grey, (0, 0), FINE_PX) - cv2.GaussianBlur(grey, (0, 0), COARSE_PX)
    return found


def _correlation(a: Array, b: Array) -> float:
    """Of two lists of numbers, 0 where one of them is constant but for grey levels' rounding."""
    if len(a) < 2 or min(a.std(), b.std()) < 0.5:
        return 0.0
    return float(np.corrcoef(a, b)[0, 1])
