"""The mouse in Open3D's window: drags turn and move, a press that stays is a click."""

from collections.abc import Callable
from typing import Any, SupportsFloat, SupportsInt

STILL_PX = 4
"""A press that moves less is a click [px]."""
_LEFT, _PRESSED, _SHIFT = 0, 1, 1


class Mouse:
    """Hears what a window's mouse does: Open3D leaves turning and moving to whoever listens.

    Args:
        window: an `o3d.visualization.VisualizerWithKeyCallback`, created.
        click: called with the pixel (u, v) of each click of the left button.
        drag: called while the view is turned or moved.
    """

    def __init__(self, window: Any, click: Callable[[float, float], None], drag: Callable[[], None]) -> None:
        self._window, self._click, self._drag = window, click, drag
        self._at, self._down, self._moved, self._shift = (0.0, 0.0), set[int](), 0.0, False
        window.register_mouse_move_callback(self.move)
        window.register_mouse_button_callback(self.button)

    def move(self, _: Any, x: SupportsFloat, y: SupportsFloat) -> bool:
        """The mouse is at a pixel."""
        before, self._at = self._at, (float(x), float(y))
        step = (self._at[0] - before[0], self._at[1] - before[1])
        self._moved += abs(step[0]) + abs(step[1])
        if self._down and self._moved >= STILL_PX:
            self._drag()
            control = self._window.get_view_control()
            turning = self._down == {_LEFT} and not self._shift
            (control.rotate if turning else control.translate)(*step)
        return False

    def button(self, _: Any, button: SupportsInt, action: SupportsInt, modifiers: SupportsInt) -> bool:
        """A button is pressed or let go."""
        if int(action) == _PRESSED:
            self._down.add(int(button))
            self._moved, self._shift = 0.0, bool(int(modifiers) & _SHIFT)
            return False
        self._down.discard(int(button))
        clicked = int(button) == _LEFT and self._moved < STILL_PX
        if clicked:
            self._click(*self._at)
        return clicked
