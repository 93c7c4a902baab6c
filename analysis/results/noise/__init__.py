"""Where noise comes from beside the seed as a whole: crossed sources of chance, and the test samples."""
