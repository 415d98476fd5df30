"""The sample room's photos onto its true surface: a photo that was left out sees more in the texture than before."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

import recon3d  # noqa: F401
from recon3d.fusion.plan import plan_fusion
from recon3d.fusion.tsdf import fuse
from recon3d.geometry import SE3, Camera, Frame
from recon3d.settings import FuseSettings
from recon3d.texture.bake import bake
from recon3d.texture.render import render_textured

ROOM = Path(__file__).parents[2] / "samples" / "room"
GAIN_DB = 2


def true_frame(photo):
    """A photo at half its size, with true depth, camera and pose."""
    truth = ROOM / "truth"
    pinhole = json.loads((truth / "camera.json").read_text())
    with Image.open(photo) as opened:
        upright = ImageOps.exif_transpose(opened).convert("RGB")
    image = np.asarray(upright.resize((upright.width // 2, upright.height // 2), Image.Resampling.BOX))
    with Image.open(truth / "depth" / f"{photo.stem}.png") as millimetres:
        depth = (np.asarray(millimetres)[::2, ::2] / 1000).astype(np.float32)
    # the depth kept is that of each second pixel; half a pixel of the photo beside the mean of four
    camera = Camera(*(pinhole[key] for key in ("width", "height", "fx", "fy", "cx", "cy")))
    camera = camera.resized(image.shape[1], image.shape[0])
    pose = np.array(json.loads((truth / "poses.json").read_text())["poses"][photo.stem])
    return Frame(photo.stem, image, depth, None, camera, SE3.from_matrix(pose))


@pytest.mark.slow
def test_a_photo_left_out_sees_the_texture_better_than_vertex_colours():
    taken = [true_frame(photo) for photo in sorted(ROOM.glob("IMG_*.jpg"))[:10]]
    left_out, others = taken[2::5], [frame for k, frame in enumerate(taken) if k % 5 != 2]
    mesh = fuse(others, plan_fusion(others, FuseSettings(voxel_size=0.015)))
    baked = bake(mesh, lambda: others, 2048)
    gains = []
    for frame in left_out:
        rendered = render_textured(baked.textured, frame.camera, frame.world_from_cam)
        hit = rendered[2] > 0
        assert hit.mean() > 0.5
        errors = [np.mean((picture[hit].astype(float) - frame.image[hit]) ** 2) for picture in rendered[:2]]
        gains.append(10 * np.log10(errors[1] / errors[0]))
    assert np.mean(gains) > GAIN_DB
