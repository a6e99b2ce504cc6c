"""The checked-out project: its parameters, parts, files and git, and how a stage of it runs."""
