"""Small data of a person's own: npz files as MedMNIST has them, and lists of images as ImageNet-LT has them."""

import numpy as np
from PIL import Image

from silhouette.config import TrialConfig
from silhouette.data import splits


def arrays_of(train=60, val=20, test=30, classes=5, shape=(12, 12, 3), **changed):
    """Arrays as MedMNIST has them; pixels count up through all of them, so that no two images are equal."""
    arrays, start = {}, 0
    for part, count in (("train", train), ("val", val), ("test", test)):
        pixels = np.arange(start, start + count * int(np.prod(shape))).reshape(count, *shape)
        arrays[f"{part}_images"] = ((pixels * 31 + pixels // 256) % 256).astype(np.uint8)
        arrays[f"{part}_labels"] = (np.arange(count) % classes).astype(np.uint8)[:, None]
        start += pixels.size
    return {name: array for name, array in {**arrays, **changed}.items() if array is not None}


def save(path, arrays):
    np.savez_compressed(path, **arrays)
    return f"npz:{path}"


def opened(name, **fields):
    splits._load.cache_clear()
    return splits.load(TrialConfig(dataset=name, **fields))


def write_list(root, part="train", count=12, classes=3, mode="RGB", name=None):
    """Images whose red value is 10 times their number, and the list of them; paths start from the list's folder."""
    (root / part).mkdir(parents=True)
    lines = []
    for number in range(count):
        file = f"{part}/an image {number}.png"
        Image.new(mode, (9, 7), number * 10 if mode == "L" else (number * 10, 0, 0)).save(root / file)
        lines.append(f"{file} {number % classes}")
    path = root / (name or f"{part}.txt")
    path.write_text("\n".join(lines) + "\n\n")
    return path
