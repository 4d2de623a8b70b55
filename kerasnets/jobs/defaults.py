"""What commands take where nothing is given; the command line shows the same."""

DATA = "digits"
TEACHER = "resnet20"
STUDENT = "mobilenet"
MAX_MADDS = 2_000_000
MAX_BYTES = 350_000
PRECISION = "auto"
RECIPE = "pcqat"
CALIBRATION = 100
# Of fine-tuning: MobileNet 0.25 of 128 pixels learned flowers best so. One rate for all
# stages lost 4 points in six epochs, a decay of 0.3 lost 1.
TUNING_EPOCHS = 10
TUNING_RATE = 0.01
STAGE_DECAY = 0.5
