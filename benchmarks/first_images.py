#!/usr/bin/env python3
"""The first images of a data set as one of its own: python3 benchmarks/first_images.py FOLDER OUT TRAINING TEST

FOLDER holds MNIST or Fashion-MNIST (four .gz files) or CIFAR-10 (six .bin files) as they are distributed; OUT gets files of the same names with so many
images in all. For what a method does with little data, and for networks too large for all of it."""
import gzip
import pathlib
import struct
import sys

CIFAR_RECORD = 1 + 3 * 32 * 32


def cut_idx(file, out, count):
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
    training, test = int(sys.argv[3]), int(sys.argv[4])
    target.mkdir(parents=True, exist_ok=True)
    batches = sorted(source.glob("data_batch_*.bin"))
    for i, file in enumerate(batches):
        # As many of each batch, the first ones one more where they cannot be.
        count = training // len(batches) + (i < training % len(batches))
        (target / file.name).write_bytes(file.read_bytes()[:count * CIFAR_RECORD])
    if batches:
        (target / "test_batch.bin").write_bytes((source / "test_batch.bin").read_bytes()[:test * CIFAR_RECORD])
    for part, count in (("train", training), ("t10k", test)):
        for file in source.glob(f"{part}-*-ubyte.gz"):
            cut_idx(file, target / file.name, count)
