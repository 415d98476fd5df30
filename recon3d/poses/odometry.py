"""Poses from photos with depth, where structure from motion has too little parallax: keyframes, loops, a pose graph."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import open3d as o3d

from recon3d.geometry import SE3, Camera
from recon3d.geometry.arrays import Array
from recon3d.poses.depth_view import DepthView
from recon3d.poses.motion import Motion, motion
from recon3d.poses.pairs import global_descriptors, look_alikes
from recon3d.poses.photo_set import connected
from recon3d.progress import Report, each, silent

KEY_OVERLAP = 0.7
"""A photo that shows less than this share of the keyframe becomes the next one: the fewer, the less drift adds up."""
ALL_PAIRS_UP_TO = 12
"""Up to this many keyframes each pair is tried for a loop."""
SIMILAR = 5
"""Above it: the most similar other keyframes, by the global descriptor, that each is tried with."""
LOOP_DISTANCE = 0.03
"""Open3D's `max_correspondence_distance`, of which doubtful loops' weight is made, in median depths of the scene."""


@dataclass(frozen=True, eq=False)
class Group:
    """Photos that hang together, with their poses in a world of their own: the first one's camera frame.

    Attributes:
        world_from_cam: [m of the group's usual photo].
        log_scale: of each photo: its depth times exp(this) is in metres of that world; their median is 0.
    """

    world_from_cam: dict[str, SE3]
    log_scale: dict[str, float]


@dataclass(frozen=True, eq=False)
class Odometry:
    """What RGB-D odometry found.

    Attributes:
        groups: the photos that hang together, the largest group first; a photo that hangs on none is one alone.
        keyframes: photos that others were followed from.
        loops: believed motions between keyframes that don't follow each other.
        depth_share: median over all believed motions: share of the pixels seen by both whose depth agrees,
            within `SAME_SENSOR` or `SAME_NETWORK` of `recon3d.poses.motion`.
        closing: median over the loops, how far the motion along the other photos ends from the loop's own [share of the
            median depth]; None where there is no loop.
    """

    groups: tuple[Group, ...]
    keyframes: int
    loops: int
    depth_share: float
    closing: float | None


Links = dict[tuple[str, str], Motion]
"""Believed motions by (a, b): b_from_a."""


def odometry(
    views: Mapping[str, DepthView], camera: Camera, *, metric: bool, seed: int = 0, report: Report = silent
) -> Odometry:
    """Finds poses by following the photos in capture order, then closing loops.

    Each photo is followed from the keyframe before it, or else from the photo before it. Keyframes that look alike, by
    the descriptor that pairs are picked with, are tried for loops. Links that the photos' depth and brightness don't
    bear out are left out. Then the graph is optimised (Choi, Zhou and Koltun, Robust reconstruction of indoor scenes,
    CVPR 2015), and loops that contradict it are pruned.

    Args:
        views: by name, in capture order.
        camera: of all views.
        metric: depth is a sensor's, in metres; otherwise each photo's depth has a scale that is found too.
        seed: of the sampling in the descriptor.
        report: is told of following and of loops.
    """
    chain, keys = _followed(views, camera, metric=metric, report=report)
    loops: Links = {}
    for a, b in each(_loop_pairs(views, keys, chain, seed), "loops", report):
        link = motion(views[a], views[b], camera, metric=metric, guess=None)
        if link is not None and link.is_believed:
            loops[a, b] = link
    groups = [_group(members, chain, loops, views) for members in _hanging_together(views, [*chain, *loops])]
    shares = [link.depth_share for link in (*chain.values(), *loops.values())]
    return Odometry(
        tuple(sorted(groups, key=lambda group: -len(group.world_from_cam))),
        len(keys),
        len(loops),
        float(np.median(shares)) if shares else 0.0,
        _closing(views, chain, loops),
    )


def _followed(
    views: Mapping[str, DepthView], camera: Camera, *, metric: bool, report: Report
) -> tuple[Links, list[str]]:
    """Each photo's motion from a photo before it, where one is believed; and the keyframes."""
    links: Links = {}
    names = list(views)

    def followed(source: str, name: str, guess: SE3) -> Motion | None:
        found = motion(views[source], views[name], camera, metric=metric, guess=guess)
        if found is None or not found.is_believed:
            return None
        links[source, name] = found
        return found

    key = before = names[0]
    travelled = SE3.identity()
    keys = [key]
    for name in each(names[1:], "odometry", report):
        link = followed(key, name, travelled)
        if link is None and before != key:
            followed(before, name, SE3.identity())
        if link is None or link.overlap < KEY_OVERLAP:
            key, travelled = name, SE3.identity()
            keys.append(key)
        else:
            travelled = link.b_from_a
        before = name
    return links, keys


def _loop_pairs(views: Mapping[str, DepthView], keys: Sequence[str], chain: Links, seed: int) -> list[tuple[str, str]]:
    """Keyframes to try for loops, earlier first, without those that are linked already."""
    count = len(keys)
    if count <= ALL_PAIRS_UP_TO:
        pairs = {(i, j) for i in range(count) for j in range(i + 1, count)}
    else:
        vectors = global_descriptors(count, lambda i: views[keys[i]].descriptors, seed=seed)
        pairs = {(min(i, j), max(i, j)) for i, j in look_alikes(vectors, SIMILAR, 1).tolist()}
    return [(keys[i], keys[j]) for i, j in sorted(pairs) if (keys[i], keys[j]) not in chain]


def _hanging_together(views: Mapping[str, DepthView], links: Sequence[tuple[str, str]]) -> list[list[str]]:
    """Names of views that are linked, directly or by others, each list in capture order."""
    names = list(views)
    index = {name: i for i, name in enumerate(names)}
    groups = connected(range(len(names)), [(index[a], index[b]) for a, b in links])
    return [[names[i] for i in sorted(group)] for group in groups]


def _group(members: Sequence[str], chain: Links, loops: Links, views: Mapping[str, DepthView]) -> Group:
    """Poses and depth scales of photos that hang together."""
    mine = {pair: link for pair, link in (chain | loops).items() if pair[0] in members}
    scales = _scales(members, mine)
    world_from_cam = _along(members, mine, scales)
    if len(mine) >= len(members):  # there is more to it than one way to each photo
        world_from_cam = _optimised(world_from_cam, mine, scales, loops, _usual_depth(members, views))
    return Group(world_from_cam, scales)


def _usual_depth(members: Sequence[str], views: Mapping[str, DepthView]) -> float:
    """Median over the photos [m]."""
    medians = [np.median(views[name].depth[views[name].depth > 0]) for name in members if (views[name].depth > 0).any()]
    return float(np.median(medians)) if medians else 1.0


def _scales(members: Sequence[str], links: Links) -> dict[str, float]:
    """Log scale of each photo's depth: least squares over the links, robust by reweighting; their median is 0.

    A link says log_scale[b] - log_scale[a].
    """
    index = {name: i for i, name in enumerate(members)}
    rows, values = np.zeros((len(links) + 1, len(members))), np.zeros(len(links) + 1)
    for row, ((a, b), link) in enumerate(links.items()):
        rows[row, index[b]], rows[row, index[a]], values[row] = 1, -1, link.log_scale
    rows[-1, 0] = 1
    weight = np.ones(len(values))
    found: Array = np.zeros(len(members))
    for _ in range(10):
        root = np.sqrt(weight)
        found = np.linalg.lstsq(rows * root[:, None], values * root, rcond=None)[0]
        weight = np.minimum(1, 0.02 / np.maximum(np.abs(rows @ found - values), 1e-9))
    found -= np.median(found)
    return dict(zip(members, found.tolist(), strict=True))


def _b_from_a(pair: tuple[str, str], link: Motion, scales: Mapping[str, float]) -> SE3:
    """The motion in metres of the group's world."""
    return link.b_from_a.scaled(float(np.exp(scales[pair[0]])))


def _along(members: Sequence[str], links: Links, scales: Mapping[str, float]) -> dict[str, SE3]:
    """Poses by the fewest links from the first photo."""
    beside: dict[str, list[tuple[str, SE3]]] = {name: [] for name in members}
    for (a, b), link in links.items():
        b_from_a = _b_from_a((a, b), link, scales)
        beside[a].append((b, b_from_a))
        beside[b].append((a, b_from_a.inverse()))
    found = {members[0]: SE3.identity()}
    queue = [members[0]]
    for name in queue:
        for other, other_from_name in beside[name]:
            if other not in found:
                found[other] = found[name] @ other_from_name.inverse()
                queue.append(other)
    return {name: found[name] for name in members}


def _optimised(
    start: Mapping[str, SE3], links: Links, scales: Mapping[str, float], loops: Links, usual: float
) -> dict[str, SE3]:
    """Poses that all links agree on best, the first one kept."""
    registration = o3d.pipelines.registration
    names = list(start)
    graph = registration.PoseGraph()
    for name in names:
        graph.nodes.append(registration.PoseGraphNode(start[name].matrix))
    for (a, b), link in links.items():
        graph.edges.append(
            registration.PoseGraphEdge(
                names.index(a),
                names.index(b),
                _b_from_a((a, b), link, scales).matrix,
                link.information,
                uncertain=(a, b) in loops,
            )
        )
    with o3d.utility.VerbosityContextManager(o3d.utility.VerbosityLevel.Error):
        registration.global_optimization(
            graph,
            registration.GlobalOptimizationLevenbergMarquardt(),
            registration.GlobalOptimizationConvergenceCriteria(),
            registration.GlobalOptimizationOption(LOOP_DISTANCE * usual, reference_node=0),
        )
    poses = [SE3.from_matrix(node.pose) for node in graph.nodes]
    first = start[names[0]] @ poses[0].inverse()
    return {name: first @ pose for name, pose in zip(names, poses, strict=True)}


def _closing(views: Mapping[str, DepthView], chain: Links, loops: Links) -> float | None:
    """How far the way along the chain misses the loops: what the odometry drifts, in median depths."""
    gaps = []
    for members in _hanging_together(views, list(chain)):
        mine = {pair: link for pair, link in chain.items() if pair[0] in members}
        scales = _scales(members, mine)
        poses = _along(members, mine, scales)
        usual = _usual_depth(members, views)
        for pair, link in loops.items():
            if pair[0] in poses and pair[1] in poses:
                a_from_b = poses[pair[0]].inverse() @ poses[pair[1]]
                missed = a_from_b.t - _b_from_a(pair, link, scales).inverse().t
                gaps.append(float(np.linalg.norm(missed)) / usual)
    return float(np.median(gaps)) if gaps else None


def side_by_side(worlds: Sequence[tuple[Mapping[str, SE3], Array]], gap: float) -> dict[str, SE3]:
    """One world of several: each to the right of the one before, without overlap.

    Args:
        worlds: of each group its poses, in a world of its own, and the (N, 3) points seen in it [m].
        gap: left between two groups, as a share of the usual width.
    """
    placed: dict[str, SE3] = {}
    ranges = []
    for poses, points in worlds:
        x = np.concatenate([points[:, 0], [pose.t[0] for pose in poses.values()]])
        ranges.append((float(x.min()), float(x.max())))
    between = gap * float(np.median([high - low for low, high in ranges]))
    right = ranges[0][0] - between
    for (poses, _), (low, high) in zip(worlds, ranges, strict=True):
        shift = SE3(np.eye(3), np.array([right + between - low, 0.0, 0.0]))
        placed |= {name: shift @ pose for name, pose in poses.items()}
        right += between + high - low
    return placed
