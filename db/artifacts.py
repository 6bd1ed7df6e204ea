"""The artifact store: files known by what they hold, whole or absent, and verified on every load."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from db.keras_files import refuse_unsafe
from db.records import StoredArtifact
from db.roots import LocalRoot, RemoteRoot, Root, file_sha256
from errors import ArtifactCorrupt, ArtifactMissing

if TYPE_CHECKING:
    from db.records import VersionRecord

WORD = re.compile(r"[A-Za-z0-9_-]{1,64}")
STORED = re.compile(r"[a-z_-]+/\w\w?/(?P<digest>[\w-]+)\.(?P<sha256>[0-9a-f]{64})(\.\w+)?")


def open_root(root: str) -> Root:
    """The folder or fsspec URL that files are stored under; nothing is created yet."""
    local = root.removeprefix("file://")
    return RemoteRoot(root) if "://" in local else LocalRoot(Path(local).expanduser().absolute())


class ArtifactStore:
    """Files under a root, named `KIND/XX/DIGEST.SHA256.SUFFIX`: no two contents ever share a name.

    Args:
        root: a folder, or any fsspec URL such as s3://bucket/prefix.
        cache: local folder that remote files are fetched to.

    Example:
        >>> _ = Path("january.parquet").write_bytes(b"rows")
        >>> store = ArtifactStore("artifacts", Path("cache"))
        >>> stored = store.put(Path("january.parquet"), kind="partition", digest="3f2a")
        >>> store.fetch(stored).read_bytes()
        b'rows'
    """

    def __init__(self, root: str, cache: Path) -> None:
        self.root = open_root(root)
        self.cache = cache

    def put(self, path: Path, *, kind: str, digest: str) -> StoredArtifact:
        """Store a file, or find that one of this kind and digest is stored already.

        Args:
            path: the file.
            kind: "base", "head", "partition", …
            digest: what the file holds, as its writer knows it; up to 64 letters, digits, - and _.

        Raises:
            ArtifactMissing: there is no such file.
            ArtifactUnwritable: the root refuses it.
            ArtifactCorrupt: a `.keras` file that is none.
            UnsafeModel: a `.keras` file that would run code of its own when loaded.
        """
        if not WORD.fullmatch(kind) or not WORD.fullmatch(digest):
            raise ValueError(f"kind {kind!r} and digest {digest!r} become file names: letters, digits, - and _ only")
        if not path.is_file():
            raise ArtifactMissing(f"file {path}", "it is not there", "store it after it was written")
        if path.suffix == ".keras":
            refuse_unsafe(path)
        stem = f"{kind}/{digest[:2]}/{digest}"
        for uri in self.root.find(f"{stem}."):
            known = STORED.fullmatch(uri)
            if known and self.root.keep(uri) and self.root.sha256(uri) == known["sha256"]:
                found = self.root.look(uri)
                if found is not None:
                    return StoredArtifact(digest, kind, uri, known["sha256"], found.bytes)
        sha256, size, uri = self.root.add(path, stem)
        return StoredArtifact(digest, kind, uri, sha256, size)

    def fetch(self, artifact: StoredArtifact, *, of: str = "") -> Path:
        """Give a local path to a stored file whose bytes are the registered ones.

        Args:
            artifact: the file, as the registry names it.
            of: what it belongs to, for error messages.

        Raises:
            ArtifactMissing: it is gone.
            ArtifactCorrupt: its bytes are not the ones that were registered.
        """
        path = self.root.local_copy(artifact.uri, self.cache / "artifacts")
        received = f"{artifact.kind} {artifact.digest[:12]}{f' of {of}' if of else ''}, file {artifact.uri}"
        if path is None:
            raise ArtifactMissing(
                received,
                f"it is not under {self.root}",
                "set EVERGREEN_ARTIFACT_ROOT to where it was stored, or bring it back from a backup",
            )
        found = file_sha256(path)
        if found != artifact.sha256:
            size = path.stat().st_size
            self.root.forget_copy(path)
            raise ArtifactCorrupt(
                received,
                f"its {artifact.bytes:,} bytes had SHA-256 {artifact.sha256}, the {size:,} that are there have {found}",
                "bring it back from a backup, or roll back to another version",
            )
        return path

    def fetch_version(self, version: VersionRecord) -> tuple[Path, Path]:
        """Give local, verified paths to a version's base and head."""
        name = f"version {version.number} of model '{version.model}'"
        return self.fetch(version.base, of=name), self.fetch(version.head, of=name)
