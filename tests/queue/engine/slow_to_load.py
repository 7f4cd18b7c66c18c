"""What a warm parent may have to import: it takes its time."""

import time

time.sleep(3)
