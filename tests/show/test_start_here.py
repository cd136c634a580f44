"""The picture of chapter 0."""

from __future__ import annotations

import pytest
import torch

from course_lib.errors import CourseError
from course_lib.show.start_here import how_they_relate


def test_three_rows_whose_words_do_not_overlap():
    fig = how_they_relate(torch.rand(2, 1, 28, 28) * 2 - 1)
    (axis,) = fig.axes
    words = [text for text in axis.texts if text.get_text()]
    assert [sum(name in text.get_text() for text in words) for name in ("CNN:", "GAN:", "VAE:")] == [1, 1, 1]
    fig.draw_without_rendering()
    frame = fig.bbox
    boxes = [text.get_window_extent() for text in words]
    assert all(frame.x0 <= box.x0 and box.x1 <= frame.x1 and box.y0 >= frame.y0 for box in boxes)
    assert not any(a.overlaps(b) for k, a in enumerate(boxes) for b in boxes[k + 1 :])
    pictures = [image.get_window_extent() for image in axis.images]
    assert len(pictures) == 6
    assert not any(a.overlaps(b) for a in boxes for b in pictures)


@pytest.mark.parametrize("shape", [(1, 1, 8, 8), (2, 8, 8)])
def test_images_to_show_are_asked_for(shape):
    with pytest.raises(CourseError, match="images: got shape"):
        how_they_relate(torch.zeros(shape))
