"""Files that rows name beside their table, such as photos: read, decoded, and kept in the partition itself.

A partition has to be whole whatever becomes of the files later, so it holds what a base gets of them. Only new rows are
looked at: a row that was taken before needs its file no more.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from math import prod
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from arrivals.listing import expanded, parted
from arrivals.texts import as_it_came
from arrivals.validation import REASON
from errors import FileNotReady

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from learning.media import Media
    from learning.spec import ModelSpec

NOT_THERE = {errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.EACCES, errno.ELOOP, errno.EINVAL}
OUTSIDE = "leads out of the source's folder"


class NotRead(Exception):
    """Why the file that a row names cannot be its input; a sentence without the name."""


@dataclass(frozen=True)
class Attached:
    """The files below a model's source that its rows name.

    Args:
        spec: the model.
        landing: folder or URL that the source is relative to.
    """

    spec: ModelSpec
    landing: str

    def owns(self, uri: str) -> bool:
        """Whether a landed file is one that rows name, and no table."""
        suffix = PurePosixPath(uri).suffix.lower()
        return any(suffix in media.suffixes for media in self.spec.schema.files.values())

    def read(self, rows: pl.DataFrame) -> tuple[pl.DataFrame, pl.Series, pl.DataFrame]:
        """Rows with what their files hold.

        Returns:
            The rows whose files could all be read, with a column more for each; which of the rows these are; and the
            others as they came, each with its reason.
        """
        files = self.spec.schema.files
        reasons = np.full(rows.height, None, object)
        columns = [self._column(rows[name], media, reasons) for name, media in files.items()]
        reason = pl.Series(REASON, reasons.tolist(), pl.String)
        good = reason.is_null()
        came = rows.select(self.spec.schema.arriving).filter(~good)
        refused = pl.DataFrame([*map(as_it_came, came.iter_columns()), reason.drop_nulls()])
        return rows.with_columns(columns).filter(good), good, refused

    def _column(self, names: pl.Series, media: Media, reasons: NDArray[np.object_]) -> pl.Series:
        """The files of a column as arrays; where there is none, a reason is written down."""
        size = prod(media.shape)
        found = np.zeros((len(names), size), media.kept_as)
        for place, name in enumerate(names):
            try:
                found[place] = media.decode(self._content(str(name), media))
            except NotRead as error:
                reasons[place] = f"{names.name} names a file that {error}"
            except ValueError as error:
                reasons[place] = f"{names.name} names a file that cannot be decoded: {error}"
        kept = self.spec.schema.kept(names.name)
        return pl.Series(kept, found, self.spec.schema.kept_kinds()[kept])

    def _content(self, name: str, media: Media) -> bytes:
        """The bytes of a file below the source's folder."""
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or "://" in name or "\\" in name or Path(name).is_absolute():
            raise NotRead(OUTSIDE)
        if path.suffix.lower() not in media.suffixes:
            raise NotRead(f"is none of {', '.join(media.suffixes)}")
        return self._remote(name, media) if self._store else self._local(name, media)

    def _local(self, name: str, media: Media) -> bytes:
        root = Path(self._root)
        try:
            path = (root / name).resolve()  # wherever links lead
            if not path.is_relative_to(root.resolve()):
                raise NotRead(OUTSIDE)
            status = path.stat()
            if not stat.S_ISREG(status.st_mode):
                raise NotRead("is no regular file")
            _refuse_size(status.st_size, media)
            return path.read_bytes()
        except (OSError, RuntimeError) as error:
            if isinstance(error, OSError) and error.errno not in NOT_THERE:
                raise  # of the disk: another run may read it
            raise NotRead("is not there, or cannot be opened") from error

    def _remote(self, name: str, media: Media) -> bytes:
        place = f"{self._root}/{name}"
        try:
            info: Mapping[str, Any] = self._store.info(place)
            _refuse_size(int(info.get("size") or 0), media)
            return bytes(self._store.cat_file(place))
        except FileNotFoundError as error:
            raise NotRead("is not there") from error
        except NotRead:
            raise
        except Exception as error:  # whatever a store has to say when it does not answer
            raise FileNotReady("a file that a row names", "its store does not give it", "let it stay") from error

    @cached_property
    def _root(self) -> str:
        """The source's folder; of a source that is a file, its own."""
        return self._place[1]

    @cached_property
    def _store(self) -> Any:
        """The store that has the source; None of a local folder."""
        return self._place[0]

    @cached_property
    def _place(self) -> tuple[Any, str]:
        return source_root(self.landing, expanded(self.spec.source.path))


def source_root(landing: str, path: str) -> tuple[Any, str]:
    """The folder that a source names, and the store that has it, which is None of a local one."""
    if "://" not in path and "://" not in landing:
        root = Path(landing, path if os.path.lexists(Path(landing, path)) else parted(path, "*?[")[0])
        return None, str(root.parent if root.is_file() else root)
    import fsspec

    literal = "" if "://" in path else landing.rstrip("/")
    url = f"{literal}/{path}" if literal else path
    store, place = fsspec.core.url_to_fs(literal + parted(url.removeprefix(literal), "*?[")[0].rstrip("/"))
    return store, place.rpartition("/")[0] if store.isfile(place) else place


def _refuse_size(size: int, media: Media) -> None:
    if size > media.max_bytes:
        raise NotRead(f"has more than {media.max_bytes:,} bytes")
