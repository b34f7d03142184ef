"""The Hugging Face hub: which commit a revision is, what its files are, and the bytes of one.

Of `huggingface_hub` this takes the endpoint, the token, the session, the addresses and the meaning of errors.
It does not take `hf_hub_download`, which downloads into a file of its own process and deletes it when it fails
(2.4.0): after a kill everything of a shard would come again.  `HfApi.get_paths_info` has no time-out.
hf-xet is not used: it fetches chunks from another service through its own cache, so that a half file could not
be continued with a Range request, its bytes could not be counted as they come, and no test could speak it.  The
hub serves every file by plain HTTP as well.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Literal
from urllib.parse import quote

import httpx2
from huggingface_hub import constants, get_token, hf_hub_url
from huggingface_hub.errors import (
    HfHubHTTPError,
    OfflineModeIsEnabled,
    RemoteEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.utils import get_session, hf_raise_for_status, parse_ratelimit_headers
from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from autoresearch_dagster import __version__
from autoresearch_dagster.core import limits
from autoresearch_dagster.core.errors import BundleError, UserError
from autoresearch_dagster.core.experiment import Digest
from autoresearch_dagster.data.download import Body, RangeRefused
from autoresearch_dagster.data.record import Commit, RemoteFile
from autoresearch_dagster.data.retries import KEPT, Passing

_PASSING = frozenset({408, 425, 429})
_REFUSED = frozenset({401, 403})
_NETWORK = "check the network, the proxy and HF_ENDPOINT"


class _Info(BaseModel):
    """What we read of the hub's answer about a repository."""

    sha: Commit


class _Lfs(BaseModel):
    oid: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    size: Annotated[int, Field(gt=0)]


class _Path(BaseModel):
    """What we read of the hub's answer about a path."""

    type: Literal["file", "directory"]
    path: str
    lfs: _Lfs | None = None


_PATHS: TypeAdapter[list[_Path]] = TypeAdapter(list[_Path])


class Hub:
    """One dataset repository.  Each call is one try; `Passing` says that another may help.

    Safe for several threads.  The token is sent to the hub alone: redirects to its store go without it.
    """

    def __init__(
        self, repository: str, endpoint: str | None = None, *, timeout_s: float = limits.HUB_TIMEOUT_S
    ) -> None:
        """Take a repository.

        Args:
            repository: owner and name.
            endpoint: address of the hub; the library's own choice (HF_ENDPOINT) if there is none.
            timeout_s: seconds without a byte before a connection counts as dead.
        """
        self.endpoint = (endpoint or constants.ENDPOINT).rstrip("/")
        self._repository = repository
        self._timeout_s = timeout_s
        self._reached = False

    def commit_of(self, revision: str) -> Commit:
        """Resolve a branch, a tag or a shortened commit."""
        address = f"{self._api}/revision/{quote(revision, safe='')}"
        with self._faults(f"the revision {revision!r}"):
            response = get_session().get(
                address, params={"expand": ["sha"]}, headers=self._headers(), timeout=self._timeout_s
            )
            self._check(response)
            return _Info.model_validate_json(response.content).sha

    def describe(self, commit: Commit, names: list[str]) -> dict[str, RemoteFile]:
        """Ask for size and SHA-256 of at most 1,000 files; what does not exist is left out."""
        with self._faults(f"the commit {commit}"):
            response = get_session().post(
                f"{self._api}/paths-info/{commit}",
                data={"paths": names, "expand": False},
                headers=self._headers(),
                timeout=self._timeout_s,
            )
            self._check(response)
            paths = _PATHS.validate_json(response.content)
        found: dict[str, RemoteFile] = {}
        for path in paths:
            if path.lfs is not None:
                found[path.path] = RemoteFile(size_bytes=path.lfs.size, sha256=Digest(path.lfs.oid))
            elif path.type == "file":
                raise BundleError(
                    f"The hub names no SHA-256 of {path.path} at {commit}, so that it could not be verified; "
                    "choose another revision with climbmix@REVISION."
                )
        return {name: found[name] for name in names if name in found}

    @contextmanager
    def open(self, commit: Commit, name: str, start: int) -> Iterator[Body]:
        """Receive a file from a byte on; the body says where it really begins."""
        address = hf_hub_url(self._repository, name, repo_type="dataset", revision=commit, endpoint=self.endpoint)
        asked = {"Accept-Encoding": "identity", **({"Range": f"bytes={start}-"} if start else {})}
        with (
            self._faults(f"{name} at the commit {commit}"),
            get_session().stream(
                "GET", address, headers={**self._headers(), **asked}, timeout=self._timeout_s
            ) as response,
        ):
            self._check(response)
            yield Body(_first_byte(response), response.iter_bytes())

    @property
    def _api(self) -> str:
        return f"{self.endpoint}/api/datasets/{self._repository}"

    def _headers(self) -> dict[str, str]:
        # Not the library's build_hf_headers: to name the user's tools it asks the hub for a list of them first.
        headers = {"user-agent": f"autoresearch-dagster/{__version__}"}
        token = None if constants.HF_HUB_DISABLE_IMPLICIT_TOKEN else get_token()
        if token:
            headers["authorization"] = f"Bearer {token}"
        return headers

    def _check(self, response: httpx2.Response) -> None:
        """Let pass what is no error.  A fault of the store behind the hub passes: its addresses expire."""
        self._reached = True
        status = response.status_code
        if status == 416:
            raise RangeRefused
        stored = response.url.netloc != httpx2.URL(self.endpoint).netloc and "X-Error-Code" not in response.headers
        if status in _PASSING or status >= 500 or (stored and status >= 400):
            busy = " (too many requests)" if status == 429 else ""
            cure = "come back later, or set HF_TOKEN, which raises the limit" if busy else "come back later"
            raise Passing(f"answers {status}{busy}", cure, retry_after_s=_asked_wait_s(response))
        hf_raise_for_status(response)

    @contextmanager
    def _faults(self, what: str) -> Iterator[None]:
        """Turn the library's exceptions into sentences; none of them quotes a header or a signed address."""
        try:
            yield
        except RevisionNotFoundError as fault:
            raise UserError(
                f"{self._repository} has no such revision at {self.endpoint} (asked for {what}); use "
                "source='climbmix' or an existing climbmix@REVISION."
            ) from fault
        except RemoteEntryNotFoundError as fault:
            raise UserError(
                f"{self._repository} at {self.endpoint} does not have {what}; ask for fewer shards or another "
                "climbmix@REVISION."
            ) from fault
        except HfHubHTTPError as fault:
            raise BundleError(self._refusal(fault)) from fault
        except OfflineModeIsEnabled as fault:
            raise BundleError(
                f"{what.capitalize()} is not on this disk and HF_HUB_OFFLINE forbids to fetch it; unset "
                f"HF_HUB_OFFLINE, {KEPT}."
            ) from fault
        except ValidationError as fault:
            raise BundleError(
                f"The server at {self.endpoint} does not answer as a hub does; check HF_ENDPOINT and the proxy."
            ) from fault
        except (httpx2.InvalidURL, httpx2.UnsupportedProtocol) as fault:
            raise BundleError(f"HF_ENDPOINT={self.endpoint!r} is not an address; unset or correct it.") from fault
        except httpx2.TimeoutException as fault:
            raise Passing(f"is silent for {self._timeout_s:.0f} s", _NETWORK, reached=self._reached) from fault
        except httpx2.ConnectError as fault:
            raise Passing(
                f"at {self.endpoint} cannot be reached ({fault})", _NETWORK, reached=self._reached
            ) from fault
        except httpx2.HTTPError as fault:
            raise Passing(f"breaks the connection ({type(fault).__name__})", _NETWORK) from fault

    def _refusal(self, fault: HfHubHTTPError) -> str:
        status = fault.response.status_code
        if status in _REFUSED:
            return (
                f"The hub at {self.endpoint} refuses access to {self._repository} ({status}); set HF_TOKEN to a "
                f"token that may read it, {KEPT}."
            )
        if isinstance(fault, RepositoryNotFoundError) or status == 404:
            return f"The hub at {self.endpoint} does not have {self._repository} ({status}); check HF_ENDPOINT."
        return f"The hub at {self.endpoint} answers {status}; check HF_ENDPOINT and the proxy, {KEPT}."


def _first_byte(response: httpx2.Response) -> int:
    """Where a body begins: servers may ignore a Range request, or answer another one."""
    if response.status_code != 206:
        return 0
    begins = response.headers.get("Content-Range", "").removeprefix("bytes ").partition("-")[0]
    return int(begins) if begins.isdigit() else 0


def _asked_wait_s(response: httpx2.Response) -> float | None:
    """Seconds that the hub asks to wait, by its rate limit or by Retry-After."""
    limit = parse_ratelimit_headers(response.headers)
    if response.status_code == 429 and limit is not None and limit.remaining == 0:
        return float(limit.reset_in_seconds)
    asked = response.headers.get("Retry-After", "").strip()
    return float(asked) if asked.isdigit() else None
