import dataclasses
import math

import numpy as np
import pytest
from synthetic import plane_frames, room_frames

from recon3d.errors import InputError
from recon3d.fusion.buffers import BLOCK, BYTES_PER_VOXEL
from recon3d.fusion.grid import Grid
from recon3d.fusion.plan import BYTES_PER_BLOCK, check_voxels, plan_fusion
from recon3d.geometry import SE3, Camera, Frame
from recon3d.settings import FuseSettings


def _noisy(frames, sigma):
    return [dataclasses.replace(frame, sigma=np.full_like(frame.depth, sigma)) for frame in frames]


def test_voxels_are_the_pixel_footprint_of_small_photos():
    frames = room_frames(4)
    plan = plan_fusion(frames, FuseSettings())
    depth = np.concatenate([frame.depth.ravel() for frame in frames])
    assert plan.voxel_size == pytest.approx(np.median(depth) / frames[0].camera.fx, rel=0.02)
    assert plan.truncation == pytest.approx(4 * plan.voxel_size)
    assert "median pixel footprint" in plan.reasons[0]


def test_voxels_are_a_512th_of_the_scene_for_large_photos():
    camera = Camera.from_fov(1600, 1200, np.radians(53.13))  # as wide as it is far
    depth = np.full((1200, 1600), 2.0, np.float32)
    frame = Frame("wall", np.zeros((1200, 1600, 3), np.uint8), depth, None, camera, SE3.identity())
    plan = plan_fusion([frame], FuseSettings())
    assert plan.voxel_size == pytest.approx(0.98 * 2.0 / 512, rel=0.02)  # between percentiles 1 and 99
    assert "512th" in plan.reasons[0]


def test_what_is_set_is_taken():
    settings = FuseSettings(voxel_size=0.03, truncation=0.2, min_weight=2.5)
    plan = plan_fusion(room_frames(2), settings)
    assert (plan.voxel_size, plan.truncation, plan.min_weight) == (0.03, 0.2, 2.5)
    assert all("as set" in reason for reason in plan.reasons[:3])


def test_each_choice_has_its_number_and_its_reason():
    plan = plan_fusion(_noisy(room_frames(4), 0.01), FuseSettings())
    voxels, truncation, kept, weights, blocks = plan.reasons
    assert voxels == f"voxels of {plan.voxel_size:.4g} m: the median pixel footprint"
    assert truncation.startswith(f"truncation {plan.truncation:.3g} m: ")
    assert kept == "surfaces kept that were measured by two photos or more: 4 photos have depth"
    assert "sigma" in weights
    assert blocks.startswith(f"{plan.block_count} blocks of 16³ voxels, ") and "GiB" in blocks


def test_a_block_takes_no_more_than_80_kib():
    assert BLOCK**3 * BYTES_PER_VOXEL == 64 * 1024
    grid = Grid.empty(plan_fusion(room_frames(2), FuseSettings(voxel_size=0.05)), "cpu").blocks
    held = sum(grid.attribute(name).numpy().nbytes for name in ("tsdf", "weight", "color", "evidence"))
    assert held / grid.hashmap().capacity() <= 80 * 1024


def test_depths_that_disagree_widen_the_truncation():
    plan = plan_fusion(_noisy(room_frames(2), 0.03), FuseSettings(voxel_size=0.01))
    assert plan.truncation == pytest.approx(0.06)
    assert plan.noise_m == pytest.approx(0.03)
    assert "noise" in plan.reasons[1]


def test_noisy_depth_has_voxels_and_a_truncation_to_match():
    plan = plan_fusion(_noisy(room_frames(2, 320, 240), 0.06), FuseSettings())
    assert plan.voxel_size == pytest.approx(0.015)
    assert plan.truncation == pytest.approx(0.12)
    assert "noise" in plan.reasons[0]


def test_no_truncation_swallows_the_things_themselves():
    frames = room_frames(2)
    plan = plan_fusion(_noisy(frames, 1.0), FuseSettings(voxel_size=0.01))
    median = np.median(np.concatenate([frame.depth for frame in frames]))
    assert plan.truncation == pytest.approx(0.05 * median, rel=0.02)
    assert plan.noise_m == 1.0
    assert "twentieth" in plan.reasons[1]


@pytest.mark.parametrize(("views", "min_weight"), [(1, 0), (3, 0), (4, 1), (12, 1)])
def test_from_four_views_on_a_surface_must_be_measured_twice(views, min_weight):
    assert plan_fusion(plane_frames(views), FuseSettings()).min_weight == min_weight


@pytest.mark.parametrize("voxel", [0.01, 0.02, 0.05])
def test_planned_blocks_hold_the_surface_without_growing(voxel):
    frames = room_frames(6)
    plan = plan_fusion(frames, FuseSettings(voxel_size=voxel))
    grid = Grid.empty(plan, "cpu")
    for frame in frames:
        grid.integrate(frame)
    used = grid.blocks.hashmap().size()
    assert grid.blocks.hashmap().capacity() == plan.block_count
    assert used <= plan.block_count <= 2.5 * used + 64


@pytest.mark.parametrize(("voxel", "settings"), [(1e-4, {}), (0.004, {"max_memory_gib": 0.1, "max_tiles": 1})])
def test_voxels_that_do_not_fit_the_memory_are_refused_with_the_numbers(voxel, settings):
    with pytest.raises(InputError, match=rf"fuse.voxel_size: got {voxel:g} m.*GiB.*max_memory_gib = .*max_tiles ="):
        plan_fusion(room_frames(2), FuseSettings(voxel_size=voxel, **settings))


def test_voxels_that_no_memory_holds_are_known_from_depths_that_are_not_yet_refined():
    rng = np.random.default_rng(0)
    rough = [dataclasses.replace(f, depth=f.depth * np.float32(rng.uniform(0.8, 1.2))) for f in room_frames(4)]
    with pytest.raises(InputError, match=r"fuse.voxel_size: got 0.0001 m.*GiB.*max_memory_gib = .*max_tiles ="):
        check_voxels(rough, FuseSettings(voxel_size=1e-4))
    settings = FuseSettings(voxel_size=0.01, max_memory_gib=0.2, max_tiles=4)
    plan_fusion(room_frames(4), settings)  # what will fit is not refused, though rough depths take more
    check_voxels(rough, settings)


def test_voxels_that_were_not_set_grow_until_they_fit():
    plan = plan_fusion(room_frames(2), FuseSettings(max_memory_gib=0.02, max_tiles=1))
    assert plan.block_count * BYTES_PER_BLOCK <= 0.02 * 2**30
    assert "as fine as fits" in plan.reasons[0]


def test_settings_that_make_no_sense_are_refused():
    for settings in (FuseSettings(voxel_size=0.0), FuseSettings(truncation=0.0), FuseSettings(truncation=1e-4)):
        with pytest.raises(InputError, match=r"fuse\."):
            plan_fusion(room_frames(1), settings)


@pytest.mark.parametrize("gib", [0.0, -1.0, math.nan, math.inf])
def test_memory_that_holds_no_tile_is_refused(gib):
    with pytest.raises(InputError, match=r"fuse.max_memory_gib: got .* GiB, wanted at least 0.01"):
        plan_fusion(room_frames(1), FuseSettings(max_memory_gib=gib))
