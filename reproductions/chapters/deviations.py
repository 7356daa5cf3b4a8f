"""Where the reproduction differs from the paper's text, and why."""

COMMON = (
    "The paper seeks “the minimum c > 0” in c·|r| + loss. A larger c gives a smaller r, so the largest c that still "
    "succeeds is sought; |r| is read as ‖r‖², as every later implementation does.",
    "The paper does not name its targets. Ours are uniformly random wrong classes, which fit its figures; distances "
    "to the nearest class stand beside them.",
    "The penalty only approximates the smallest distortion: cross-entropy has to be traded against ‖r‖² at one c. The "
    "method “direct” solves min ‖r‖ subject to the class and the box; on softmax regression, where the optimum is "
    "known exactly, it reaches it.",
    "Weight decay: the paper's λΣw²/k does not give its errors. Softmax regression is trained with ½λΣw², the deep nets "
    "with λΣw², both without the division by k; each preset's card has the coefficients.",
    "The paper gives no objective for its sparse autoencoder; ours is half the squared error, a Kullback–Leibler "
    "penalty on the mean activities and weight decay. Its layer is not fine-tuned, as in the paper.",
    "Convergence of L-BFGS: 100 iterations lower the objective by no more than a share that the preset's metrics record.",
    "Table 2's images are not only those that are correctly classified, as in the paper (its cells lie on a grid of "
    "1/256); the clean error of the same images stands below.",
    "Gaussian noise is not clipped to [0, 1], so that its root mean square is the stated one.",
    "The interval of a cell is over images. How much it moves with another training run is shown as a spread, where "
    "several runs were measured, and is not in the interval.",
    "Table 4's amplified rows rescale the difference to a root mean square of 0.1; the paper's printed formula gives an "
    "L2 norm of 0.1 instead, which its figures cannot have come from.",
    "The paper describes neither its convolutional MNIST net nor the layer of Figures 1 and 2; ours is a LeNet with ReLU "
    "and max pooling, and its last hidden layer.",
    "Table 5's sizes are those of an AlexNet without groups, while the published one has two groups in three layers; both are "
    "measured. Trained ImageNet weights do not come with the package, so by default AlexNet's rows are those of its "
    "initialization and say so; the paper's figures stand beside them but cannot be compared with them.",
    "P1 and P2 are halves by a hash of the image, since the paper does not say how it drew them.",
)

MNIST5K = (
    "The embedded data set holds training images only: those attacked here were seen in training, so errors and "
    "distortions are not those of test images. Test errors are taken from the presets' metrics.",
)
