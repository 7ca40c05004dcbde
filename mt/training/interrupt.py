"""Ctrl-C and SIGTERM as a request: the step under way is finished, everything is saved, then the run stops."""

import signal
import threading
from types import FrameType


class StopRequest:
    """While entered, the first SIGINT or SIGTERM is noted; a second SIGINT stops at once, as Ctrl-C usually does."""

    def __init__(self) -> None:
        self.requested = ""
        """The signal's name once one has come, for example 'SIGINT'."""
        self._previous: dict[int, object] = {}

    def __enter__(self) -> "StopRequest":
        if threading.current_thread() is threading.main_thread():  # elsewhere Python allows no handlers
            for number in (signal.SIGINT, signal.SIGTERM):
                self._previous[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _note(self, number: int, _: FrameType | None) -> None:
        """Remember the first signal; let the second SIGINT through."""
        if self.requested:
            raise KeyboardInterrupt
        self.requested = signal.Signals(number).name
