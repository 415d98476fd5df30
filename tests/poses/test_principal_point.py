import numpy as np
import pycolmap
import pytest

from recon3d.poses.principal_point import with_principal_points


def model(photos: int, off_axis: tuple[float, float]) -> pycolmap.Reconstruction:
    """Exact observations by one lens whose axis is off the middle, and a model that puts it in the middle."""
    pycolmap.set_random_seed(0)
    options = pycolmap.SyntheticDatasetOptions()
    options.num_rigs, options.num_cameras_per_rig, options.num_frames_per_rig = 1, 1, photos
    options.num_points3D, options.num_points2D_without_point3D = 150, 0
    options.camera_model_id = pycolmap.CameraModelId.SIMPLE_RADIAL
    options.camera_width, options.camera_height = 1000, 800
    options.camera_params = [900, 500 + off_axis[0], 400 + off_axis[1], 0.0]
    found = pycolmap.synthesize_dataset(options)
    found.cameras[1].params = [900, 500, 400, 0.0]
    return found


def axis(found: pycolmap.Reconstruction) -> np.ndarray:
    return np.array([found.cameras[1].principal_point_x, found.cameras[1].principal_point_y])


def test_the_axis_of_a_lens_is_found_by_enough_photos() -> None:
    start = model(12, (8.0, -6.0))
    # Exact observations: what is left is where the solver stops.
    assert axis(with_principal_points(start, set())) == pytest.approx([508, 394], abs=0.5)
    assert axis(start).tolist() == [500, 400]


@pytest.mark.parametrize(
    ("photos", "off_axis", "constant"),
    [(6, (8.0, -6.0), set()), (12, (8.0, -6.0), {1}), (12, (60.0, 0.0), set())],
    ids=["few photos", "known camera", "farther than lenses are"],
)
def test_else_the_model_stays_as_it_is(photos: int, off_axis: tuple[float, float], constant: set[int]) -> None:
    start = model(photos, off_axis)
    assert with_principal_points(start, constant) is start
