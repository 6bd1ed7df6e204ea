"""Image and sound files that rows name: what a base gets of each, and how it is kept in a partition."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from math import prod
from typing import TYPE_CHECKING, Any, ClassVar

from errors import InvalidSpec
from evergreen_client.media import image_pixels, sound_samples

if TYPE_CHECKING:
    from numpy.typing import NDArray

MEGABYTE = 2**20


@dataclass(frozen=True)
class Image:
    """PNG, JPEG, GIF or BMP files as pixels from 0 to 255; `image(96, 96, 3)` makes one.

    Args:
        height: rows of pixels that the base gets; a picture of another size is stretched.
        width: columns of pixels.
        channels: 1 of grey pictures, 3 of coloured ones.
        max_bytes: size of a file above which its row is refused.
    """

    height: int
    width: int
    channels: int = 3
    max_bytes: int = 20 * MEGABYTE
    suffixes: ClassVar[tuple[str, ...]] = (".png", ".jpg", ".jpeg", ".gif", ".bmp")
    kept_as: ClassVar[str] = "uint8"
    scale: ClassVar[float] = 1.0

    def __post_init__(self) -> None:
        """Refuse what is no shape of a picture; raises InvalidSpec."""
        if min(self.height, self.width) < 1 or self.channels not in (1, 3):
            raise InvalidSpec(repr(self), "no picture is like that", "write image(height, width, 1 or 3)")

    @property
    def shape(self) -> tuple[int, ...]:
        """Of what the base gets of a row."""
        return self.height, self.width, self.channels

    def decode(self, content: bytes) -> NDArray[Any]:
        """A file as it is kept, in one dimension; ValueError says why it is none."""
        return image_pixels(content, (self.height, self.width, self.channels)).ravel()


@dataclass(frozen=True)
class Audio:
    """WAV files of 16 bits as samples from -1 to 1, of one channel; `audio(16_000, rate=16_000)` makes one.

    Args:
        samples: that the base gets: the first ones, and silence after them where there are fewer.
        rate: samples a second; a file with others is refused.
        max_bytes: size of a file above which its row is refused.
    """

    samples: int
    rate: int = 16_000
    max_bytes: int = 20 * MEGABYTE
    suffixes: ClassVar[tuple[str, ...]] = (".wav",)
    kept_as: ClassVar[str] = "int16"
    scale: ClassVar[float] = 1 / 2**15

    def __post_init__(self) -> None:
        """Refuse what is no sound; raises InvalidSpec."""
        if min(self.samples, self.rate) < 1:
            raise InvalidSpec(repr(self), "no sound is like that", "write audio(samples, rate=samples a second)")

    @property
    def shape(self) -> tuple[int, ...]:
        """Of what the base gets of a row."""
        return (self.samples,)

    def decode(self, content: bytes) -> NDArray[Any]:
        """A file as it is kept; ValueError says why it is none."""
        return sound_samples(content, self.samples, self.rate)


Media = Image | Audio


def image(height: int, width: int, channels: int = 3, **more: int) -> Image:
    """Images that a base gets as float32 (rows, height, width, channels), from 0 to 255.

    Example:
        >>> image(96, 96, 3).shape
        (96, 96, 3)
    """
    return Image(height, width, channels, **more)


def audio(samples: int, rate: int = 16_000, **more: int) -> Audio:
    """Sounds that a base gets as float32 (rows, samples), from -1 to 1.

    Example:
        >>> audio(8_000).shape
        (8000,)
    """
    return Audio(samples, rate, **more)


def kept_bytes(media: Media) -> int:
    """Memory that one file's array takes as the base gets it."""
    return 4 * prod(media.shape)


def media_record(media: Media) -> dict[str, Any]:
    """What a column's files hold, as JSON can hold it.

    Example:
        >>> media_of(media_record(image(8, 8, 1))) == image(8, 8, 1)
        True
    """
    return {"kind": type(media).__name__, **asdict(media)}


def media_of(record: Mapping[str, Any]) -> Media:
    """The same again, from its record."""
    kinds: dict[str, type[Media]] = {kind.__name__: kind for kind in (Image, Audio)}
    return kinds[record["kind"]](**{name: value for name, value in record.items() if name != "kind"})
