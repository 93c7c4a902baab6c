"""The built-in studies. Every file here is a study; it needs no registration."""
