"""What the hostile tests share with those of the tracking: an empty folder, and one with an empty store."""

from tests.tracking.conftest import bare as bare
from tests.tracking.conftest import root as root
