"""The sections on noise beside that of the seed as a whole: crossed sources of chance, and the test samples."""
