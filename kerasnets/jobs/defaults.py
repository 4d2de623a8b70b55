"""What commands take where nothing is given; the command line shows the same."""

from typing import Literal

Start = Literal["auto", "imagenet", "scratch"]

DATA = "digits"
TEACHER = "resnet20"
STUDENT = "mobilenet"
MAX_MADDS = 2_000_000
# from ImageNet weights: what the smallest MobileNet takes at the side it learned at
MAX_MADDS_PRETRAINED = 15_000_000
MAX_BYTES = 350_000
PRECISION = "auto"
RECIPE = "pcqat"
CALIBRATION = 100
# of fine-tuning: the best of the few that docs/transfer.md lists, on one set and seed;
# 6 and 12 epochs were measured, 10 lie between
TUNING_EPOCHS = 10
TUNING_RATE = 0.01
STAGE_DECAY = 0.5
# points of accuracy that pruning and quantisation may cost together
MAX_LOSS = 1.0
