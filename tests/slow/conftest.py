"""Worlds whose drivers may be killed, as the tests of faults have them."""

from tests.faults.conftest import bundle as bundle
from tests.faults.conftest import drivers as drivers
from tests.faults.conftest import image as image
from tests.faults.conftest import places as places
from tests.faults.conftest import warm as warm
from tests.faults.conftest import world as world
