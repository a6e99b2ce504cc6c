"""What make calls that is no stage."""

import sys

from miseducation.project import command

if sys.argv[:1] == ["-m"]:  # Python looks for the command that it is to run
    command.listen()
