"""A Docker daemon of our own, which may be killed: in a network namespace of its own, all its state in one folder.

The trainer image gets into it without torch: its files are streamed from the daemon that has it, and what the
numpy trainer does not need is left out.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import docker
import docker.errors
from requests.exceptions import RequestException  # noqa: TID251 (docker-py raises it)

NEEDED = ("/bin", "/sbin", "/lib", "/lib64", "/usr/bin", "/usr/lib", "/usr/lib64", "/usr/local", "/etc", "/tmp")
ENVIRONMENT = ("/opt/trainer-env/bin", "/opt/trainer-env/pyvenv.cfg")
PATIENCE_S = 60.0


def may_start() -> str:
    """Why no daemon can be started here; '' where one can."""
    if os.geteuid() != 0:
        return "only root may start a Docker daemon"
    missing = [tool for tool in ("dockerd", "unshare") if shutil.which(tool, path=_path()) is None]
    return f"{missing[0]} is not installed" if missing else ""


def _path() -> str:
    return os.environ.get("PATH", os.defpath) + ":/usr/sbin:/sbin"


def small_image(image: str, target: Path) -> None:
    """Write what the numpy trainer needs of the trainer image as one archive of files."""
    client = docker.from_env()
    asked = ["python", "-c", "import numpy; print(numpy.__path__[0])"]
    numpy = client.containers.run(image, asked[1:], entrypoint=asked[:1], network_mode="none", remove=True)
    library = numpy.decode().strip()
    container = client.containers.create(image)
    try:
        with tarfile.open(target, "w") as small:
            for path in (*NEEDED, *ENVIRONMENT, library, f"{library}.libs"):
                with contextlib.suppress(docker.errors.NotFound):
                    chunks, _ = container.get_archive(path, chunk_size=1 << 20)
                    _copy(chunks, Path(path).parent, small)
    finally:
        container.remove(force=True)


def _copy(chunks: Iterator[bytes], parent: Path, small: tarfile.TarFile) -> None:
    with tarfile.open(fileobj=_Stream(chunks), mode="r|") as part:
        for member in part:
            member.name = str(parent / member.name).lstrip("/")
            if member.islnk():
                member.linkname = str(parent / member.linkname).lstrip("/")
            small.addfile(member, part.extractfile(member) if member.isreg() else None)


class _Stream:
    """A file to read from, made of chunks."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks, self._left = chunks, b""

    def read(self, size: int) -> bytes:
        parts, found = [self._left], len(self._left)
        while found < size and (chunk := next(self._chunks, b"")):
            parts.append(chunk)
            found += len(chunk)
        data = b"".join(parts)
        self._left = data[size:]
        return data[:size]


class Daemon:
    """One daemon; `kill` and `start` may follow each other."""

    def __init__(self, folder: Path, *, live_restore: bool) -> None:
        self.folder = folder
        self.host = f"unix://{folder}/docker.sock"
        self._options = ["--live-restore"] if live_restore else []
        self._process: subprocess.Popen[bytes] | None = None
        self._below: subprocess.Popen[bytes] | None = None

    def _begin(self, *command: str) -> subprocess.Popen[bytes]:
        with (self.folder / "log").open("ab") as log:
            environment = {**os.environ, "PATH": _path()}
            return subprocess.Popen(command, stdout=log, stderr=log, env=environment, start_new_session=True)

    def start(self) -> None:
        """Start it and wait until it answers."""
        if self._below is None:
            self._below = self._begin(
                "containerd",
                "--root",
                f"{self.folder}/below",
                "--state",
                f"{self.folder}/state",
                "--address",
                f"{self.folder}/below.sock",
            )
        (self.folder / "pid").unlink(missing_ok=True)
        command = ["unshare", "--net", "dockerd", "--data-root", f"{self.folder}/data"]
        command += ["--exec-root", f"{self.folder}/exec", "-H", self.host, "--pidfile", f"{self.folder}/pid"]
        command += ["--containerd", f"{self.folder}/below.sock", "--bridge=none", "--iptables=false"]
        self._process = self._begin(*command, *self._options)
        deadline = time.monotonic() + PATIENCE_S
        while not self._answers():
            assert time.monotonic() < deadline, self.log()
            assert self._process.poll() is None, self.log()
            time.sleep(0.05)

    def _answers(self) -> bool:
        try:
            return bool(self.client().ping())
        except (docker.errors.DockerException, RequestException):
            return False

    def client(self) -> docker.DockerClient:
        return docker.DockerClient(base_url=self.host, timeout=5)

    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")[-2000:]

    def load(self, archive: Path) -> str:
        """Import an archive of files as the trainer image; return its id."""
        changes = ("ENV PATH=/opt/trainer-env/bin:/usr/local/bin:/usr/bin", "ENV HOME=/tmp", 'CMD ["python3"]')
        asked = [word for change in changes for word in ("-c", change)]
        command = ["docker", "-H", self.host, "import", *asked, str(archive), "small"]
        said = subprocess.run(command, capture_output=True, text=True, check=True)
        return said.stdout.strip()

    def kill(self) -> None:
        """Kill it as the kernel would; `unshare` became the daemon, so this is its process."""
        self.end(signal.SIGKILL)

    def end(self, number: int = signal.SIGTERM) -> None:
        """End it in some way and wait."""
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(PATIENCE_S)
            self._process = None

    def end_below(self) -> None:
        """End what runs its containers: as on most machines, a process of its own that outlives the daemon."""
        if self._below is not None:
            self._below.terminate()
            self._below.wait(PATIENCE_S)


@contextmanager
def own_daemon(*, live_restore: bool) -> Iterator[Daemon]:
    """A running daemon until the block ends; nothing of it is left."""
    daemon = Daemon(Path(tempfile.mkdtemp(prefix="ard-")), live_restore=live_restore)
    try:
        daemon.start()
        yield daemon
    finally:
        with contextlib.suppress(Exception):
            for container in daemon.client().containers.list(all=True):
                container.remove(force=True)
        daemon.end()
        daemon.end_below()
        for mounted in _mounts(daemon.folder):
            subprocess.run(["umount", "--lazy", mounted], check=False, capture_output=True)
        subprocess.run(["rm", "-rf", "--", str(daemon.folder)], check=False)


def _mounts(folder: Path) -> list[str]:
    lines = Path("/proc/self/mounts").read_text().splitlines()
    return sorted((line.split()[1] for line in lines if str(folder) in line), reverse=True)
