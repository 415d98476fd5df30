import cv2
import numpy as np
import pytest
from exhibits import UP, room_exhibit

from recon3d.errors import StageError
from recon3d.show.screenshot import BACKGROUND
from recon3d.show.turntable import FPS, SIZE_PX, film, write_film


def test_a_film_turns_once_around_all_of_it(tmp_path):
    pictures = list(film(room_exhibit().mesh, UP, count=4))
    for picture in pictures:
        drawn = (picture != BACKGROUND).any(axis=-1)
        assert 0.02 < drawn.mean() < 0.9
    assert not np.array_equal(pictures[0], pictures[2])
    path = tmp_path / "film.mp4"
    write_film(path, pictures)
    read = cv2.VideoCapture(str(path))
    assert round(read.get(cv2.CAP_PROP_FRAME_COUNT)) == 4 and read.get(cv2.CAP_PROP_FPS) == FPS
    assert (read.get(cv2.CAP_PROP_FRAME_WIDTH), read.get(cv2.CAP_PROP_FRAME_HEIGHT)) == SIZE_PX
    whole, first = read.read()
    read.release()
    assert whole and np.abs(first[..., ::-1].astype(int) - pictures[0]).mean() < 8  # what the codec loses


def test_a_film_that_can_t_be_written_is_an_error(tmp_path):
    with pytest.raises(StageError, match="film|MP4"):
        write_film(tmp_path / "no folder" / "film.mp4", [np.zeros((SIZE_PX[1], SIZE_PX[0], 3), np.uint8)])
