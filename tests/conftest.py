"""What all tests share: a home folder of their own, quiet libraries, a PostgreSQL server."""

import gc
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from postgres import Server, running_server
from registered import registrations_undone

from settings import Settings, get_settings

get_settings()  # quietens TensorFlow, and chooses its kernels, before any test module imports it
import prefect.main  # noqa: E402, F401 - before TensorFlow: it closes all log handlers, of which absl's closes sys.stderr

# What takes longest comes first: at the end, all processes have something short left to do.
SLOWEST_FIRST = ("flows", "learning", "tasks", "cli")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the tests that are given most time, and then with the rooms whose tests take longest."""
    place = {room: number for number, room in enumerate(SLOWEST_FIRST)}

    def order(item: pytest.Item) -> tuple[float, int]:
        given = item.get_closest_marker("timeout")
        return -(given.args[0] if given else 0), place.get(item.path.parent.name, len(place))

    items.sort(key=order)


def pytest_collection_finish() -> None:
    """Spare the garbage collector the objects of all imported libraries: there are a million, and they stay."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """Every test gets an empty EVERGREEN_HOME, and nothing of the developer's own."""
    # A variable counts more than .env, also in the processes that a test starts; an empty one means the default.
    for name, value in {"HOME": str(tmp_path / "home"), "MODELS": "models"}.items():
        monkeypatch.setenv(f"EVERGREEN_{name}", value)
    places = "ARTIFACT_ROOT", "DATABASE_URL", "LANDING", "NOTIFY", "REPORTS_URL", "WEBHOOK_URL"
    for name in (*places, "REDIS_PASSWORD", "WEBHOOK_SECRET"):
        monkeypatch.setenv(f"EVERGREEN_{name}", "")
    get_settings.cache_clear()
    yield get_settings()
    get_settings.cache_clear()


@pytest.fixture(autouse=True)
def layers_of_its_own() -> Iterator[None]:
    """Every test finds registered what the test modules register as they are imported, and nothing of other tests."""
    with registrations_undone():
        yield


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """One PostgreSQL server for the whole session, started by the first test that asks for it."""
    with TemporaryDirectory(prefix="evergreen-") as folder, running_server(Path(folder)) as server:
        yield server


@pytest.fixture(scope="session")
def kept_database(postgres: Server) -> Iterator[str]:
    """URL of a PostgreSQL database that one test after the other gets empty."""
    with postgres.database() as url:
        yield url


@pytest.fixture
def empty_postgres(postgres: Server, kept_database: str) -> Iterator[str]:
    """URL of an empty PostgreSQL database."""
    yield kept_database
    postgres.clear(kept_database)


@pytest.fixture(scope="session")
def endpoint() -> Iterator[str]:
    """Address of a loopback S3 server, as real as moto makes it."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An empty bucket, reached through the environment as in production."""
    import s3fs

    for name, value in {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    s3fs.S3FileSystem.clear_instance_cache()
    files = s3fs.S3FileSystem()
    files.mkdir("models")
    yield "models"
    files.rm("models", recursive=True)
    s3fs.S3FileSystem.clear_instance_cache()
