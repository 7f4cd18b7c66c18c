"""What an upload may hold. Every limit of the readers stands here, with its unit in its name."""

from typing import Final

KIB: Final = 1024
MIB: Final = 1024 * KIB
GIB: Final = 1024 * MIB

# --- archives -----------------------------------------------------------------------------------------------
MAX_MEMBERS: Final = 200_000
"""Files and folders in one archive."""
MAX_CENTRAL_DIRECTORY_BYTES: Final = 48 * MIB
"""A zip's table of contents: read whole into memory, at about seven times its size."""
MAX_UNPACKED_BYTES: Final = 16 * GIB
MAX_UNPACK_RATIO: Final = 100
"""Bytes unpacked per byte uploaded, beyond `FREE_UNPACKED_BYTES`: pictures are compressed already."""
FREE_UNPACKED_BYTES: Final = 256 * MIB
MAX_TAR_HEADER_BYTES: Final = 64 * KIB
"""Between two files of a tar: headers with long names and attributes."""
MAX_NAMES_CHARACTERS: Final = 40_000_000
"""All names of one archive together."""
MAX_PATH_CHARACTERS: Final = 1_000
MAX_PATH_DEPTH: Final = 32

# --- pictures -----------------------------------------------------------------------------------------------
MAX_PICTURE_BYTES: Final = 64 * MIB
MAX_PICTURE_PIXELS: Final = 51_000_000
"""Larger pictures are skipped. Decoding holds up to about 18 bytes a pixel (transparent ones; else 7)."""
LARGE_PICTURE_PIXELS: Final = 4_000_000
"""Pictures from here on are decoded one at a time, to bound memory."""
MIN_PICTURE_SIDE_PIXELS: Final = 2
MAX_JPEG_SCANS: Final = 200
"""A progressive JPEG has about ten; each costs a pass over the whole picture."""
MAX_LABELS_FILE_BYTES: Final = 32 * MIB
MAX_LABELS_FILES: Final = 16

# --- labels and samples -------------------------------------------------------------------------------------
MIN_CLASSES: Final = 2
MAX_CLASSES: Final = 1_000
MIN_DIFFERENT_PER_CLASS: Final = 3
"""Different samples: one each for training, validation and test."""
MAX_LABEL_CHARACTERS: Final = 100
TEST_FRACTION: Final = 0.1
VALIDATION_FRACTION: Final = 0.1

# --- tables -------------------------------------------------------------------------------------------------
MAX_TABLE_BYTES: Final = 512 * MIB
MAX_LINE_CHARACTERS: Final = 4_000_000
MAX_RECORD_CHARACTERS: Final = 8_000_000
"""A row whose quoted values hold line ends is several lines."""
MAX_TABLE_TEXT_BYTES: Final = 1 * GIB
"""All cells of a Parquet file as text."""
MAX_ROWS: Final = 5_000_000
MAX_COLUMNS: Final = 2_000
MAX_CELLS: Final = 50_000_000
MIN_REGRESSION_ROWS: Final = 10
MAX_CATEGORIES: Final = 500
"""Different texts in one column of categories."""
MAX_CATEGORY_CHARACTERS: Final = 200
MAX_COLUMN_NAME_CHARACTERS: Final = 200

# --- what is told and shown ---------------------------------------------------------------------------------
MAX_SKIPPED_LISTED: Final = 200
MAX_STRIPS: Final = 40
THUMBNAILS_PER_STRIP: Final = 8
THUMBNAIL_SIDE_PIXELS: Final = 72
PREVIEW_ROWS: Final = 20
PREVIEW_CELL_CHARACTERS: Final = 100
LISTED_CATEGORIES: Final = 20
LISTED_CATEGORIES_OF_ALL: Final = 4_000
"""Of all columns together: what the report of a wide table lists must stay a page."""
LISTED_CATEGORY_CHARACTERS: Final = 60
PREVIEW_COLUMNS: Final = 200
