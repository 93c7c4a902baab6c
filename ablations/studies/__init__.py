"""The studies that ship. A file here is a study; it is found, never registered."""
