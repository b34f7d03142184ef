"""Where the model's server is, as a person wrote it."""

from urllib.parse import urlsplit

from autoresearch_dagster.core.errors import UserError
from autoresearch_dagster.core.settings import MODEL_ADDRESS_VARIABLE


def host_of(address: str) -> str:
    """Return the host of an address that requests can be sent to; the rest of it may hold a password.

    Raises:
        UserError: requests cannot be sent there.
    """
    import httpx2  # what will read it for each request, and stricter than the standard library

    host = None
    try:
        place = urlsplit(address)
        if place.scheme in {"http", "https"} and place.port != 0 and httpx2.URL(address).host:
            host = place.hostname
    except (ValueError, httpx2.InvalidURL):
        pass
    if not host or not address.isprintable() or " " in address:
        raise UserError(f"{MODEL_ADDRESS_VARIABLE} is no http(s) address; correct or unset it.")
    return host
