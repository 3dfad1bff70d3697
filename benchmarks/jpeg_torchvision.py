"""Photographs to float32 [3, 224, 224] with torchvision and Pillow: the counterpart of PhotographLoading.cs.

usage: jpeg_torchvision.py FOLDER [ROUNDS]     FOLDER holds train/CLASS/*.jpg
Debian: apt-get install python3-torchvision python3-pil; run with /usr/bin/python3.
"""
import os
import pathlib
import resource
import sys

import PIL
import torch
import torchvision
from PIL import Image
from torchvision import transforms

folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else os.environ["LATHE_DATA"])
rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 5
torch.set_num_threads(1)
torch.manual_seed(1)
files = sorted(p for p in (folder / "train").rglob("*") if p.is_file())
print(f"{len(files)} files; torchvision {torchvision.__version__}, Pillow {PIL.__version__}")
transform = transforms.Compose([
    transforms.RandomResizedCrop(224),
    transforms.RandomHorizontalFlip(),
    transforms.ToTensor(),
    transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
])
for round in range(rounds):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_utime
    for start in range(0, len(files), 32):
        batch = []
        for path in files[start:start + 32]:
            with Image.open(path) as image:
                batch.append(transform(image.convert("RGB")))
        torch.stack(batch)
    ms = (resource.getrusage(resource.RUSAGE_SELF).ru_utime - before) * 1000 / len(files)
    print(f"round {round + 1}: torchvision {ms:.3f} ms = {1000 / ms:.0f} images/s")
