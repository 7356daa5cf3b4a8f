"""Where the reproduction differs from the paper's text, and why."""

from collections.abc import Collection

TRAINING_IMAGES = (
    "The digits attacked here are training images, which the networks have seen: the default data set has no others (`--dataset "
    "mnist` has). Errors and distortions are therefore not those of test images. Test errors are those recorded when the networks "
    "were trained."
)

_DIRECTIONS = ("figure1", "figure2", "directions")
_DIGITS_ATTACKED = ("table1", "table2", "table3", "table4", "figure7")
_DIGITS = (*_DIRECTIONS, *_DIGITS_ATTACKED, "adversarial")
_PENALTY = (*_DIGITS_ATTACKED, "figure5", "figure6")

# Each after the chapters that it is about.
_DEVIATIONS = (
    (
        _PENALTY,
        "The paper seeks “the minimum c > 0” in c·|r| + loss. A larger c gives a smaller r, so the largest c that still "
        "succeeds is sought; |r| is read as ‖r‖², as every later implementation does.",
    ),
    (
        (*_DIGITS_ATTACKED, "adversarial"),
        "The paper does not name its targets. Ours are uniformly random wrong classes, which fit its figures; distances "
        "to the nearest class stand beside them.",
    ),
    (
        _PENALTY,
        "The penalty only approximates the smallest distortion: cross-entropy has to be traded against ‖r‖² at one c. The "
        "method “direct” solves min ‖r‖ subject to the class and the box; on softmax regression, where the optimum is "
        "known exactly, it reaches it.",
    ),
    (
        _DIGITS,
        "Weight decay: the paper's λΣw²/k does not give its errors. Softmax regression is trained with ½λΣw², the deep nets "
        "with λΣw², both without the division by k; each preset's card has the coefficients.",
    ),
    (
        ("table1", "table2", "figure7", "directions"),
        "The paper gives no objective for its sparse autoencoder; ours is half the squared error, a Kullback–Leibler "
        "penalty on the mean activities and weight decay. Its layer is not fine-tuned, as in the paper.",
    ),
    (
        _DIGITS,
        "Convergence of L-BFGS: 100 iterations lower the objective by no more than a share that the preset's metrics record.",
    ),
    (
        _DIGITS_ATTACKED,
        "The attacked digits are drawn whether they are correctly classified or not, as in the paper (the cells of its Table 2 lie "
        "on a grid of 1/256); the error on the clean images stands below the others.",
    ),
    (
        ("table2", "table4", "figure7"),
        "Gaussian noise is not clipped to [0, 1], so that its root mean square is the stated one.",
    ),
    (
        _DIGITS,
        "The interval of a cell is over images. How much it moves with another training run is shown as a spread, where "
        "several runs were measured, and is not in the interval. Verdicts go by intervals over images and training runs together, on "
        "the same images pair by pair; with one training run they are of that run.",
    ),
    (
        ("table4",),
        "The amplified rows of the paper's Table 4 are rescaled to a root mean square of 0.1; its printed formula gives an L2 norm "
        "of 0.1 instead, which its figures cannot have come from.",
    ),
    (
        _DIRECTIONS,
        "The paper describes neither its convolutional MNIST network nor the layer of its Figures 1 and 2; ours is a LeNet with ReLU "
        "and max pooling, and its last hidden layer.",
    ),
    (
        ("figure3", "figure4", "figure5"),
        "The paper's photographs and its AlexNet are of ImageNet. Here a smaller AlexNet was trained on Imagenette, ten of its "
        "classes.",
    ),
    (
        ("figure6",),
        "The paper's unsupervised network was trained on ten million pictures from YouTube. Ours, far smaller, learned its filters from "
        "Imagenette's without their labels.",
    ),
    (
        ("table5",),
        "The sizes in the paper's Table 5 are those of an AlexNet without groups, while the published one has two groups in three "
        "layers; both are measured. Trained ImageNet weights do not come with the package, so by default AlexNet's rows are those "
        "of its initialization and say so; the paper's figures stand beside them, but do not compare.",
    ),
    (
        ("table3", "table4", "directions"),
        "P1 and P2 are halves by a hash of the image, since the paper does not say how it drew them.",
    ),
)


def of(chapters: Collection[str]) -> list[str]:
    """The deviations that a report of these chapters has, by their names."""
    return [said for names, said in _DEVIATIONS if any(name in chapters for name in names)]
