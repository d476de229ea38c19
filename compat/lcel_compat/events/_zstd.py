"""Files compressed with Zstandard, written and read so that a crash costs nothing but its own line.

Needs the package ``zstandard``, which the extra ``record`` brings.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import IO, Any, Final

MISSING: Final = 'a file that ends in .zst needs zstandard: pip install "lcel-compat[record]"'

_MAX_WINDOW: Final = 128 * 1024 * 1024
_PIECE: Final = 1 << 16


class Compressed(io.RawIOBase):
    """A file to write to: after ``flush`` all that was written can be read; ``close`` ends the frame."""

    def __init__(self, file: IO[bytes]) -> None:
        self._zstd = zstandard()
        self._file = file
        self._stream = self._zstd.ZstdCompressor(level=6).stream_writer(file, closefd=False)

    def write(self, data: Any) -> int:
        """Compress ``data``."""
        self._stream.write(data)
        return len(data)

    def flush(self) -> None:
        """Hand what was written to the system."""
        if not self._file.closed:
            self._stream.flush(self._zstd.FLUSH_BLOCK)
            self._file.flush()

    def close(self) -> None:
        """End the frame and close the file."""
        if not self._file.closed:
            self._stream.flush(self._zstd.FLUSH_FRAME)
            self._file.close()
        super().close()


class Decompressed(io.RawIOBase):
    """What can be read of a file: all of it, or all before the place where it is damaged or cut off.

    Attributes:
        whole: Whether the file ended where a frame did; known when all was read.
    """

    def __init__(self, path: Path) -> None:
        self._zstd = zstandard()
        self._file = path.open("rb")
        self._frame: Any = None
        self._compressed = b""
        self._plain = memoryview(b"")
        self.whole = True

    def readable(self) -> bool:
        """Yes."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read what there is, up to the size of ``buffer``; 0 at the end."""
        while not self._plain and self.whole and self._more():
            pass
        size = min(len(buffer), len(self._plain))
        buffer[:size], self._plain = self._plain[:size], self._plain[size:]  # A view: nothing is copied twice.
        return size

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        super().close()

    def _more(self) -> bool:
        """Decompress one more piece; False at the end of the file."""
        data = self._compressed or self._file.read(_PIECE)
        if not data:
            self.whole = self._frame is None
            return False
        if self._frame is None:
            self._frame = self._zstd.ZstdDecompressor(max_window_size=_MAX_WINDOW).decompressobj()
        try:
            self._plain = memoryview(self._frame.decompress(data))
        except self._zstd.ZstdError:
            self.whole = False
            return False
        self._compressed = self._frame.unused_data if self._frame.eof else b""
        if self._frame.eof:
            self._frame = None
        return True


def zstandard() -> Any:
    """The package.

    Raises:
        ModuleNotFoundError: With the install line, if it is not there.
    """
    try:
        import zstandard as package
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(MISSING, name="zstandard") from error
    return package
