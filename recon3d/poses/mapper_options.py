"""Options of COLMAP's mapper, and cameras as it wants them, from a job of the structure-from-motion process."""

from typing import Any

import pycolmap


def camera_of(number: int, camera: dict[str, Any]) -> pycolmap.Camera:
    """The camera of a job's entry, as pycolmap wants it; ids count from 1."""
    return pycolmap.Camera(
        camera_id=number + 1,
        model=camera["model"],
        width=camera["width"],
        height=camera["height"],
        params=camera["params"],
        has_prior_focal_length=camera["known_focal"],
    )


def mapper_options(job: dict[str, Any]) -> pycolmap.IncrementalPipelineOptions:
    """Options of incremental mapping and of triangulation."""
    options = pycolmap.IncrementalPipelineOptions()
    options.random_seed = job["settings"]["seed"]
    options.mapper.random_seed = job["settings"]["seed"]
    options.triangulation.random_seed = job["settings"]["seed"]
    # Threads add up in another order each time: large sets came out different in the last digits.
    options.num_threads = 1
    options.min_model_size = 2
    # By default COLMAP triangulates nothing that only two photos see, which of two photos is nothing at all.
    options.triangulation.ignore_two_view_tracks = len(job["images"]) > 2
    # The whole model is adjusted after growing by 30 %, not 10 %, and until the error stands still: half the seconds,
    # the same centres (bench/poses_speed.py). COLMAP adjusts it once more at the end in any case.
    options.ba_global_frames_ratio = options.ba_global_points_ratio = 1.3
    options.ba_global_function_tolerance = 1e-6
    options.extract_colors = False
    options.constant_cameras = constant_cameras(job)
    return options


def constant_cameras(job: dict[str, Any]) -> set[int]:
    """Ids of the cameras that are kept as they are."""
    return {i + 1 for i, camera in enumerate(job["cameras"]) if not camera["refine"]}
