"""Image and sound files as arrays: the same for a row that is trained on and for one that a service asks about."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST_PIXELS = 50_000_000  # before it is made smaller: a small file may say that it is a picture of any size
NO_IMAGE = "it is no PNG, JPEG, GIF or BMP image"
NO_SOUND = "it is no WAV file of 16-bit samples"
LARGEST = 32_767  # of a 16-bit sample


def image_pixels(content: bytes, shape: tuple[int, int, int]) -> NDArray[np.uint8]:
    """A PNG, JPEG, GIF (its first picture) or BMP file as pixels, from 0 to 255, of this height, width and channels.

    A picture of another size is stretched: bilinear, and smoothed where it becomes smaller.

    Args:
        content: the file.
        shape: height, width, and channels: 1 of a grey picture, 3 of a coloured one.

    Raises:
        ValueError: it is no such file, is damaged, or has more than fifty million pixels; a sentence without its bytes.
    """
    import tensorflow as tf

    height, width, channels = shape
    rows, columns = _size_of(content)
    if not rows * columns:
        raise ValueError(NO_IMAGE)
    if rows * columns > MOST_PIXELS:
        raise ValueError(f"it has {rows * columns:,} pixels, more than {MOST_PIXELS:,}")
    try:
        pixels = tf.io.decode_image(content, channels=3, expand_animations=False)
        pixels = pixels if channels == 3 else tf.image.rgb_to_grayscale(pixels)
        if (rows, columns) != (height, width):
            pixels = tf.image.resize(pixels, (height, width), antialias=True)
    except tf.errors.OpError as error:
        raise ValueError(NO_IMAGE) from error
    return np.asarray(np.clip(np.rint(pixels.numpy()), 0, 255), "uint8")


def sound_samples(content: bytes, samples: int, rate: int) -> NDArray[np.int16]:
    """A WAV file as so many 16-bit samples of one channel, the mean of its channels; silence fills what is short.

    Args:
        content: the file.
        samples: how many there are to be; further ones are left out.
        rate: samples a second that it must have.

    Raises:
        ValueError: it is no such file, or has another rate; a sentence without its bytes.
    """
    import tensorflow as tf

    try:
        sound, found = tf.audio.decode_wav(content)
    except tf.errors.OpError as error:
        raise ValueError(NO_SOUND) from error
    if int(found) != rate:
        raise ValueError(f"it has {int(found):,} samples a second, not {rate:,}")
    mono = np.rint(sound.numpy()[:samples].mean(axis=1) * (LARGEST + 1))
    return np.pad(np.clip(mono, -LARGEST - 1, LARGEST).astype("int16"), (0, samples - len(mono)))


def _size_of(content: bytes) -> tuple[int, int]:
    """Height and width that an image says it has; 0 where it is none."""
    try:
        if content.startswith(b"\x89PNG\r\n\x1a\n"):
            width, height = struct.unpack(">II", content[16:24])
        elif content.startswith((b"GIF87a", b"GIF89a")):
            width, height = struct.unpack("<HH", content[6:10])
        elif content.startswith(b"BM"):
            width, height = struct.unpack("<ii", content[18:26])
        elif content.startswith(b"\xff\xd8"):
            return _size_of_jpeg(content)
        else:
            return 0, 0
    except struct.error:  # it is cut off
        return 0, 0
    return abs(height), abs(width)


def _size_of_jpeg(content: bytes) -> tuple[int, int]:
    import tensorflow as tf

    try:
        shape: Any = tf.image.extract_jpeg_shape(content).numpy()
    except tf.errors.OpError:
        return 0, 0
    return int(shape[0]), int(shape[1])
