"""`python -m streamrnn.daemon`: the same as the command `streamrnn`."""

from __future__ import annotations

import sys

from streamrnn.daemon.cli import main

sys.exit(main())
