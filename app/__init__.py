"""The app: testers' and researchers' pages."""

import diptych  # noqa: F401 - first, since it tells what this Python lacks
