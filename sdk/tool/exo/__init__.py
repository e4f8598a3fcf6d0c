"""The exo command: builds, runs, tests and measures systems of library operating systems."""
