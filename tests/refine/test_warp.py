import numpy as np
import torch
from synthetic import room_frames

from recon3d.refine.warp import Look, Warp


def _looks():
    return [Look.of(frame.image, frame.camera, frame.world_from_cam, "cpu") for frame in room_frames(9)[3:5]]


def test_a_warp_finds_each_point_where_the_other_camera_projects_it():
    frame, other = room_frames(9)[3:5]
    here, there = _looks()
    v, u = np.indices(other.depth.shape)
    pixels = torch.tensor(np.stack([u, v]).astype(np.float32))  # a map that holds its own pixel coordinates
    warp = Warp.between(here, there.camera, there.world_from_cam)
    found, ratio, outside = warp.sampled(pixels, 1 / torch.tensor(frame.depth)[None])
    points = (other.world_from_cam.inverse() @ frame.world_from_cam) @ frame.camera.backproject(frame.depth)
    wanted = other.camera.project(points)
    size = np.array([other.camera.width, other.camera.height])
    seen = ((wanted > 0) & (wanted < size - 1)).all(axis=-1)
    assert seen.mean() > 0.5
    assert not outside[0].numpy()[seen].any()
    gap = np.moveaxis(found[:, 0].numpy(), 0, -1) - wanted
    assert np.abs(gap[seen]).max() < 1e-2  # float32 over a few hundred pixels, interpolated
    assert np.abs(ratio[0].numpy() * frame.depth - points[..., 2]).max() < 1e-4


def test_what_lies_behind_the_other_camera_is_outside():
    here, there = _looks()
    warp = Warp.between(here, there.camera, there.world_from_cam)
    beyond = torch.full((1, *here.grey.shape), -10.0)  # 10 cm behind the view itself
    assert warp.sampled(there.grey[None], beyond)[2].all()


def test_a_shrunk_photo_has_the_mean_of_what_it_covers_and_the_same_rays():
    look = _looks()[0]
    half = look.shrunk(0.5)
    assert half.grey.shape == (60, 80)
    assert torch.allclose(half.grey[0, 0], look.grey[:2, :2].mean())
    assert half.camera == look.camera.resized(80, 60)
    assert look.shrunk(1.0) is look
