"""Pieces of a person's own: each is used by its name, as in `encoder="own_pieces.nets:dense"`."""
