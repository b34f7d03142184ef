"""Worlds whose drivers may be killed, as the tests of faults have them."""

from tests.faults.conftest import (
    bundle as bundle,
    drivers as drivers,
    image as image,
    places as places,
    warm as warm,
    world as world,
)
