#!/usr/bin/env python3
"""Published CIFAR-10 ResNets as weights for Lathe: reads a checkpoint of github.com/akamaster/pytorch_resnet_cifar10 (pretrained_models/*.th,
BSD 2-clause) with nothing but Python's own library and writes safetensors with the zoo's names.

    python3 benchmarks/published_resnet.py resnet20-12fca82f.th ~/data/cifar-10-batches-bin resnet20-cifar10.safetensors

Pixels are normalized by ImageNet's figures there, here by the training images' own. The first layer makes up for it, exactly but for the
border of the picture.
"""
import array, json, math, pickle, struct, sys


class Stored:
    """A tensor until its storage has been read."""

    def __init__(self, storage, offset, size, stride):
        self.storage, self.offset, self.size = storage, offset, list(size)


class Reader(pickle.Unpickler):
    """Builds tensors and ordered dictionaries, and nothing else."""

    def find_class(self, module, name):
        if (module, name) == ("collections", "OrderedDict"):
            return dict
        if (module, name) in (("torch._utils", "_rebuild_tensor"), ("torch._utils", "_rebuild_tensor_v2")):
            return lambda storage, offset, size, stride, *_: Stored(storage, offset, size, stride)
        if module == "torch" and name in ("FloatStorage", "LongStorage"):
            return name
        raise pickle.UnpicklingError(f"{module}.{name} is refused")

    def persistent_load(self, saved):
        return saved[2], saved[1]


def read(path):
    """A file in PyTorch's format of before 1.6: name to (shape, values)."""
    with open(path, "rb") as file:
        for _ in range(3):
            Reader(file).load()
        tensors = Reader(file).load()["state_dict"]
        storages = {}
        for key in Reader(file).load():
            (count,) = struct.unpack("<q", file.read(8))
            kind = next(t.storage[1] for t in tensors.values() if t.storage[0] == key)
            values = array.array({"FloatStorage": "f", "LongStorage": "q"}[kind])
            values.frombytes(file.read(count * values.itemsize))
            storages[key] = values
    result = {}
    for name, t in tensors.items():
        count = math.prod(t.size)
        result[name.removeprefix("module.")] = (t.size, list(storages[t.storage[0]][t.offset:t.offset + count]))
    return result


def own_normalization(folder):
    """Mean and standard deviation of each channel of the training images, as fractions of 1."""
    counts = [[0] * 256 for _ in range(3)]
    for batch in range(1, 6):
        with open(f"{folder}/data_batch_{batch}.bin", "rb") as file:
            data = file.read()
        for start in range(0, len(data), 3073):
            for channel in range(3):
                plane = data[start + 1 + 1024 * channel:start + 1025 + 1024 * channel]
                for value in set(plane):
                    counts[channel][value] += plane.count(value)
    total = sum(counts[0])
    mean = [sum(v * n for v, n in enumerate(c)) / total / 255 for c in counts]
    deviation = [math.sqrt(sum(v * v * n for v, n in enumerate(c)) / total / 255 ** 2 - m * m) for c, m in zip(counts, mean)]
    return mean, deviation


def renormalize(tensors, mean, deviation):
    """The first layer for pixels of another normalization."""
    size, weight = tensors["conv1.weight"]
    shift = [(m - their) / s for m, their, s in zip(mean, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))]
    scale = [d / s for d, s in zip(deviation, (0.229, 0.224, 0.225))]
    area = size[2] * size[3]
    running = tensors["bn1.running_mean"][1]
    for i in range(len(weight)):
        channel = i // area % size[1]
        running[i // (area * size[1])] -= weight[i] * shift[channel]
        weight[i] *= scale[channel]


def write(tensors, path):
    header, body = {}, bytearray()
    for name, (size, values) in sorted(tensors.items()):
        if name.endswith("num_batches_tracked"):
            continue
        start = len(body)
        body += struct.pack(f"<{len(values)}f", *values)
        header[name.replace("linear.", "fc.")] = {"dtype": "F32", "shape": size, "data_offsets": [start, len(body)]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + body)


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    weights = read(sys.argv[1])
    renormalize(weights, *own_normalization(sys.argv[2]))
    write(weights, sys.argv[3])
