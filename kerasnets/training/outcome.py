"""What a training came to, and how it fails."""

import math
from dataclasses import dataclass

from kerasnets.errors import KerasnetsError
from kerasnets.training.recipe import Recipe


class DivergedError(KerasnetsError):
    """The loss of a training is no longer a finite number.

    Args:
        loss: What it is.
        epoch: Counted from 1.
        recipe: Of the training.
        where: The step and what of the network was the first to overflow, where that
            is known.
    """

    def __init__(self, loss: float, epoch: int, recipe: Recipe, where: str = ""):
        super().__init__(
            f"the loss is {loss} in epoch {epoch} of {recipe.epochs}"
            f"{where and f' ({where})'}: take a smaller learning rate than "
            f"{recipe.learning_rate:g}"
        )


class StuckError(DivergedError):
    """A training finds nothing that is better than one same answer to all images."""

    def __init__(self, training: "Training", epoch: int, recipe: Recipe):
        KerasnetsError.__init__(
            self,
            f"after {epoch} epochs {training.accuracy:.1%} are right, the most "
            f"frequent class has {training.chance:.1%}: nothing is learned; another "
            f"learning rate than {recipe.learning_rate:g} may help",
        )


@dataclass(frozen=True)
class Training:
    """How the last epoch of a training went, on what the network was shown.

    Attributes:
        loss: Mean over the epoch.
        accuracy: Share of the labels that got the largest logit.
        chance: Share of the most frequent label: what one same answer to all would get.
        labels: Number of labels.
    """

    loss: float
    accuracy: float
    chance: float
    labels: int

    @property
    def at_chance(self) -> bool:
        """Whether that many right answers come without looking at the images.

        Within two standard deviations of the binomial distribution.
        """
        spread = math.sqrt(self.chance * (1 - self.chance) / max(1, self.labels))
        above = self.accuracy > self.chance + 2 * spread or self.accuracy == 1
        return self.labels > 0 and not above

    def check(self, what: str, recipe: Recipe) -> None:
        """Refuse a network that has learned nothing.

        Args:
            what: The network, as the message calls it.
            recipe: What it was trained with.

        Raises:
            KerasnetsError: The accuracy is that of chance.
        """
        if self.at_chance:
            raise KerasnetsError(
                f"{what} has learned nothing: {self.accuracy:.1%} right after "
                f"{recipe.epochs} epochs, the most frequent class has "
                f"{self.chance:.1%}; another learning rate than "
                f"{recipe.learning_rate:g} or more epochs may help"
            )
