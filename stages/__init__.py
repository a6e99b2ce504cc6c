"""The stages of the pipeline: one module, one DVC stage, `python -m stages.<name>`."""

import signal
import sys

if sys.argv[:1] == ["-m"]:  # Python looks for the stage that it is to run: nothing has been imported yet
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])  # until somebody listens
    from miseducation.project import command

    command.listen()
