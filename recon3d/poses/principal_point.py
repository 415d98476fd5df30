"""Where each lens's axis meets the photo: found once a model stands and there are photos enough to tell."""

from collections import Counter

import numpy as np
import pycolmap

MIN_PHOTOS = 10
"""Of one camera: with fewer, the axis and the turns of the camera can make up for each other."""
MAX_SHIFT = 0.02
"""Share of the longer side. Lenses sit within 1 % of the middle; what goes further was not determined."""


def with_principal_points(model: pycolmap.Reconstruction, constant: set[int]) -> pycolmap.Reconstruction:
    """The model after one more bundle adjustment, in which principal points may leave the middle of the photo.

    Done last, as COLMAP advises, since it is ill-posed while a model is small.

    Args:
        model: left as it is.
        constant: ids of cameras that stay as they are.

    Returns:
        A better model; `model` itself where no camera has enough photos, or one would go too far.
    """
    photos = Counter(image.camera_id for image in model.images.values() if image.has_pose)
    free = {number for number, count in photos.items() if count >= MIN_PHOTOS} - constant
    if not free:
        return model
    better = pycolmap.Reconstruction(model)
    config = pycolmap.BundleAdjustmentConfig()
    for image_id in better.reg_image_ids():
        config.add_image(image_id)
    for number in set(photos) - free:
        config.set_constant_cam_intrinsics(number)
    config.fix_gauge(pycolmap.BundleAdjustmentGauge.TWO_CAMS_FROM_WORLD)
    options = pycolmap.BundleAdjustmentOptions()
    options.refine_principal_point = True
    options.print_summary = False
    options.ceres.solver_options.num_threads = 1  # threads add up in another order each time
    options.ceres.solver_options.function_tolerance = 1e-6
    pycolmap.create_default_bundle_adjuster(options, config, better).solve()
    for number in free:
        before, after = model.cameras[number], better.cameras[number]
        shift = np.subtract(
            (after.principal_point_x, after.principal_point_y), (before.principal_point_x, before.principal_point_y)
        )
        if not np.linalg.norm(shift) <= MAX_SHIFT * max(after.width, after.height):
            return model
    better.update_point_3d_errors()
    return better
