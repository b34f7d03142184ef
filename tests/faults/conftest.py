"""What the tests of faults share: a small real bundle, a nursery of drivers, homes that are measured already."""

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from autoresearch_dagster.core.settings import load_settings
from autoresearch_dagster.data.build import build_bundle
from autoresearch_dagster.data.layout import Bundle
from tests.daemon import require_daemon
from tests.trainers import laboratory
from tests.trainers.drivers import Nursery, nursery
from tests.trainers.laboratory import World, code, order

MakeWorld = Callable[..., World]


@pytest.fixture(scope="session")
def places(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that another user may pass through: containers read the bundle under it."""
    folder = Path(tempfile.mkdtemp(prefix="faults-"))
    folder.chmod(0o755)
    yield folder
    laboratory.remove(folder)


@pytest.fixture(scope="session")
def bundle(places: Path) -> Bundle:
    """The sample corpus in rows of 32 targets."""
    return build_bundle("sample", 1, 32, places / "bundles", lambda _line: None)


@pytest.fixture(scope="session")
def image() -> str:
    """The trainer image; without a daemon the test is skipped, or fails in CI."""
    settings = load_settings()
    require_daemon()
    return laboratory.trainer_image(settings)


@pytest.fixture(scope="session")
def drivers() -> Iterator[Nursery]:
    """Where drivers are forked from."""
    with nursery() as made:
        yield made


@pytest.fixture(scope="session")
def warm(places: Path, bundle: Bundle, drivers: Nursery, request: pytest.FixtureRequest) -> Callable[[bool], World]:
    """A world of each runner whose noise floor and tolerance are measured: others begin as copies of it."""
    made: dict[str, World] = {}

    def of(containers: bool) -> World:
        kind = "docker" if containers else "local"
        if kind not in made:
            image = request.getfixturevalue("image") if containers else ""
            one = World(places / kind, drivers, order(bundle, code(0.9), image=image, memory_key="warm"))
            assert one.drive().finish() == "finished final answer"
            made[kind] = one
        return made[kind]

    return of


@pytest.fixture
def world(places: Path, bundle: Bundle, drivers: Nursery, warm: Callable[[bool], World]) -> Iterator[MakeWorld]:
    """Make worlds that are gone when the test ends; `image` is that of containers, '' for local processes."""
    made: list[World] = []

    def make(
        *codes: str, image: str = "", slots: int = 1, cold: bool = False, host: str = "", **more: Any
    ) -> World:
        folder = Path(tempfile.mkdtemp(dir=places, prefix="w"))
        folder.chmod(0o755)
        one = World(folder, drivers, order(bundle, *codes, image=image, **more), slots=slots, host=host)
        if not cold:
            one.adopt(warm(bool(image)))  # measured on the default daemon, whichever is used
        made.append(one)
        return one

    yield make
    for one in made:
        one.close()
