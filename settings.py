"""Where Evergreen keeps things, read from the environment (prefix EVERGREEN_) or .env through get_settings()."""

import os
from functools import cache
from pathlib import Path

from pydantic import SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

# Set before these libraries are imported: no telemetry, no start-up chatter.
QUIET = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "TF_CPP_MIN_LOG_LEVEL": "2",
    "TF_ENABLE_ONEDNN_OPTS": "1",
    "KERAS_BACKEND": "tensorflow",
}

DIRECT = ("127.0.0.1", "localhost")  # hosts that no proxy stands before


class Settings(BaseSettings):
    """One field per environment variable; `EVERGREEN_HOME=/data/evergreen` moves everything at once."""

    # .env may hold variables of other programs too, as the keys of a bucket; they are passed over.
    model_config = SettingsConfigDict(
        env_prefix="EVERGREEN_", extra="forbid", env_file=".env", dotenv_filtering="only_existing"
    )

    home: Path = Path(".evergreen")
    """Folder of everything that has no setting of its own."""
    database_url: str = ""
    """SQLAlchemy URL of the registry; by default an SQLite file in `home`."""
    artifact_root: str = ""
    """Folder or fsspec URL (s3://bucket/prefix) of the stored files; by default in `home`."""
    landing: str = ""
    """Folder or fsspec URL that model sources are relative to; by default in `home`."""

    redis_password: SecretStr = SecretStr("")
    """Of the Redis that events come from, if it asks for one: an address with a password is refused."""

    models: str = "models"
    """Folders of model files, one NAME.py a model, with ":" between them."""

    notify: str = ""
    """Prefect block that is told of runs, as TYPE/NAME: slack-webhook/ops. Without one nobody is."""
    reports_url: str = ""
    """Address at which the folder of reports is served; `evergreen up` serves it, and tells its runs where."""
    webhook_url: SecretStr = SecretStr("")
    """Where every promotion is sent to, signed; an address may hold a token."""
    webhook_secret: SecretStr = SecretStr("")
    """By which the receiver knows that it was sent by this registry."""

    def model_post_init(self, _context: object, /) -> None:
        """Fill in what follows from `home`, as absolute paths: a worker may change directory."""
        home = self.home.expanduser().absolute()
        self.home = home
        self.database_url = self.database_url or f"sqlite:///{home / 'registry.db'}"
        self.artifact_root = self.artifact_root or str(home / "artifacts")
        self.landing = self.landing or str(home / "landing")

    @property
    def model_folders(self) -> tuple[Path, ...]:
        """The folders of model files, as absolute paths."""
        return tuple(Path(folder).expanduser().absolute() for folder in self.models.split(os.pathsep) if folder)

    @property
    def cache(self) -> Path:
        """Local folder for what can be computed again: features, downloaded artifacts."""
        return self.home / "cache"

    @property
    def work(self) -> Path:
        """Local folder for unfinished training, one subfolder a work key."""
        return self.home / "work"

    @property
    def running(self) -> Path:
        """Local folder of what runs on this machine now: a locked file for each."""
        return self.home / "running"

    @property
    def logs(self) -> Path:
        """TensorBoard's log root, one subfolder a model."""
        return self.home / "logs"

    @property
    def reports(self) -> Path:
        """Local folder of the HTML reports."""
        return self.home / "reports"

    @property
    def workspace(self) -> Path:
        """Local folder of Evidently's timeline of drift checks: `evidently ui --workspace` shows it."""
        return self.reports / "workspace"

    def monitor_page(self, model: str) -> Path:
        """The page about a model, which is written afresh whenever new rows were learned or judged."""
        return self.reports / model / "monitor.html"

    def verdict_page(self, model: str, number: int) -> Path:
        """The page about the gate's verdict on a version, which is written when somebody asks for it."""
        return self.reports / model / f"verdict-{number}.html"


@cache
def get_settings() -> Settings:
    """Read the environment once, and quieten the libraries that are about to be imported."""
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    keep_here()
    return Settings()


def keep_here() -> None:
    """Let what is asked of this machine go past a proxy that the environment names: it would leave the machine."""
    named = [os.environ.get(name, "") for name in ("no_proxy", "NO_PROXY")]
    if "*" not in named:
        hosts = dict.fromkeys(host.strip() for host in ",".join((*named, *DIRECT)).split(","))
        os.environ["no_proxy"] = os.environ["NO_PROXY"] = ",".join(filter(None, hosts))
