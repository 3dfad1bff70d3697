#!/usr/bin/env python3
"""The first images of MNIST or Fashion-MNIST as a data set of its own: python3 benchmarks/first_images.py FOLDER OUT TRAINING TEST

FOLDER holds the four .gz files as they are distributed; OUT gets the same four with so many images. For what a method does with little data."""
import gzip
import pathlib
import struct
import sys


def cut(file, out, count):
    content = gzip.open(file).read()
    magic = struct.unpack(">I", content[:4])[0]
    # The low byte is the number of dimensions, the images themselves the first of them.
    sizes = struct.unpack(f">{magic & 255}I", content[4:4 + 4 * (magic & 255)])
    start, each = 4 + 4 * len(sizes), 1
    for size in sizes[1:]:
        each *= size
    with gzip.GzipFile(out, "wb", mtime=0) as to:
        to.write(struct.pack(f">{1 + len(sizes)}I", magic, count, *sizes[1:]) + content[start:start + count * each])


if __name__ == "__main__":
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    source, target = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    target.mkdir(parents=True, exist_ok=True)
    for part, count in (("train", int(sys.argv[3])), ("t10k", int(sys.argv[4]))):
        for file in source.glob(f"{part}-*-ubyte.gz"):
            cut(file, target / file.name, count)
