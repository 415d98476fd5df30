"""Flying pixels: what blurred depth edges put between two surfaces."""

import cv2
import numpy as np
import pytest
from misled import written
from synthetic import room_frames

from recon3d.files import load_array
from recon3d.refine.consistency import confirmed_sigma, keep_matched, neighbours_of, vote
from recon3d.refine.masks import edge_mask
from recon3d.settings import RefineSettings


def test_flying_pixels_go_and_good_ones_stay():
    settings, frames = RefineSettings(), room_frames(7, 320, 240)
    blurred = {frame.name: cv2.GaussianBlur(frame.depth, (0, 0), 1.0) for frame in frames}
    poses, cameras = ({f.name: getattr(f, what) for f in frames} for what in ("world_from_cam", "camera"))
    chosen = neighbours_of(poses, cameras, dict.fromkeys(poses, 2.3), settings.neighbours)
    masked = {}
    for frame in frames:
        masked[frame.name] = np.where(edge_mask(blurred[frame.name], frame.camera, settings), 0, blurred[frame.name])
    flying_count = flying_kept = good_count = good_kept = 0
    for frame in frames:
        depth = masked[frame.name].astype(np.float32)
        others = [(masked[other].astype(np.float32), cameras[other], poses[other]) for other in chosen[frame.name]]
        sigma = 0.01 * depth
        votes = vote(depth, frame.camera, frame.world_from_cam, others, settings, sigma=sigma)
        kept = keep_matched(votes, depth, confirmed_sigma(sigma, votes), 0.1, settings)
        flying, good = _flying_and_good(frame.depth, blurred[frame.name])
        flying_count, flying_kept = flying_count + flying.sum(), flying_kept + (flying & kept).sum()
        good_count, good_kept = good_count + good.sum(), good_kept + (good & kept).sum()
    assert flying_count > 1000
    assert flying_kept <= 0.05 * flying_count
    assert good_kept >= 0.95 * good_count


@pytest.mark.parametrize("matching", ["off", pytest.param("on", marks=pytest.mark.slow)])
def test_through_the_stage_flying_pixels_go_and_good_ones_stay(tmp_path, matching):
    frames = room_frames(7, 320, 240)
    capture = written(tmp_path, frames)
    blurred = [cv2.GaussianBlur(frame.depth, (0, 0), 1.0) for frame in frames]
    for frame, depth in zip(frames, blurred, strict=True):
        np.save(tmp_path / "maps" / f"{frame.name}.npy", depth)
    scene = capture.mesh(tmp_path / "scene", f"refine.photometric={matching}", until="refine")
    flying_count = flying_kept = good_count = good_kept = 0
    for frame, depth in zip(frames, blurred, strict=True):
        refined = load_array(scene.refined_path(frame.name))
        flying, good = _flying_and_good(frame.depth, depth)
        still = (refined > 0) & (np.abs(refined - frame.depth) > 0.05)
        flying_count, flying_kept = flying_count + flying.sum(), flying_kept + (flying & still).sum()
        good_count, good_kept = good_count + good.sum(), good_kept + (good & (refined > 0)).sum()
    assert flying_count > 500
    assert flying_kept <= 0.05 * flying_count
    assert good_kept >= 0.95 * good_count


def _flying_and_good(true, blurred):
    """(H, W) bool each: pixels 5 cm off both of two surfaces 10 cm apart at least; and pixels with no edge near."""
    low, high = (f(true, np.ones((9, 9))) for f in (cv2.erode, cv2.dilate))
    off = np.abs(blurred - true)
    return (blurred > low + 0.05) & (blurred < high - 0.05) & (off > 0.05), off < 0.01
