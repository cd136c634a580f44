"""The terms of the field: each with the chapter that defines it, and one line that says what it is.

`notebooks/glossary.md` is written from here. A test fails when a chapter uses a term before the chapter that defines
it, or before the place where it does: there the term stands in bold.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Term:
    """A term, the number of the chapter that defines it, its meaning, and other forms it is used in."""

    name: str
    chapter: int
    meaning: str
    forms: tuple[str, ...] = ()


TERMS = (
    Term("tensor", 0, "a box of numbers in rows and columns, or in more directions, all of one type", ("tensors",)),
    Term("shape", 0, "how many numbers a tensor has in each direction: `[64, 1, 28, 28]`", ("shapes",)),
    Term(
        "broadcasting",
        0,
        "how two tensors of different shape meet: a direction of length 1 is repeated",
        ("broadcast",),
    ),
    Term("seed", 0, "the number random draws begin with; the same seed gives the same draws", ("seeds", "seeded")),
    Term("gradient", 0, "the list of all slopes of a function, one for each of its inputs", ("gradients",)),
    Term(
        "control point",
        1,
        "a point that shapes a Bézier curve; the curve meets only the first and the last",
        ("control points",),
    ),
    Term(
        "linear interpolation",
        1,
        "the point that has gone the part t of the way between two points, a weighted mean",
        ("interpolate", "interpolation"),
    ),
    Term(
        "Bézier curve",
        1,
        "the curve that repeated interpolation between control points draws",
        ("Bézier curves", "cubic curve"),
    ),
    Term("tangent", 1, "a line that touches a curve and points where it is going", ("tangents",)),
    Term(
        "Bernstein polynomials",
        1,
        "the weights of the control points at position t; they sum to 1",
        ("Bernstein weights",),
    ),
    Term("convex hull", 1, "the shape of a rubber band around points"),
    Term(
        "affine",
        1,
        "slanting, turning, stretching or shifting; curves follow their control points under it",
        ("affine map",),
    ),
    Term("Bézier surface", 1, "a curve of curves, a weighted mean of a net of control points", ("Bézier surfaces",)),
    Term("polyline", 1, "a chain of short straight pieces", ("polylines",)),
    Term("anti-aliasing", 1, "grey where the edge of a stroke covers only a share of a pixel", ("soft edge",)),
    Term("allograph", 1, "one of the ways of writing a digit", ("allographs",)),
    Term("habit", 1, "a factor of the writer, such as slant or thickness", ("habits",)),
    Term("centre of mass", 1, "the mean position of the ink"),
    Term("caption", 1, "a sentence made from the factors of an image", ("captions",)),
    Term("generator", 1, "a program from random numbers to images", ("generators",)),
    Term("distribution", 1, "a rule that says what comes up and how often", ("distributions",)),
    Term("latent", 1, "hidden: of the numbers that an image was made from", ("latents",)),
    Term(
        "convolution",
        2,
        "a small grid of numbers slides over the image and computes the same weighted sum at every place",
        ("convolve", "convolved", "convolutional"),
    ),
    Term("kernel", 2, "the small grid of weights that slides over the image", ("kernels",)),
    Term(
        "dense layer",
        2,
        "every output is a weighted sum of all inputs, with weights of its own",
        ("fully connected layer", "fully connected"),
    ),
    Term("translation equivariance", 2, "move the input, and the output moves along", ("equivariance", "equivariant")),
    Term(
        "cross-correlation",
        2,
        "slide, multiply and add without flipping the kernel: what deep-learning layers compute",
        ("correlate", "correlation"),
    ),
    Term("true convolution", 2, "the kernel is turned by half a turn before it slides"),
    Term(
        "padding", 2, "zeros added at both ends of each axis, over which the kernel slides too", ("pad", "zero padding")
    ),
    Term("stride", 2, "how many pixels the kernel moves at a time", ("strides", "strided")),
    Term("dilation", 2, "the entries of a kernel are pulled d pixels apart", ("dilated",)),
    Term(
        "channel",
        2,
        "one of the maps an image consists of, such as red, green and blue",
        ("channels", "input channel", "output channel"),
    ),
    Term("Sobel", 2, "hand-made kernels for vertical and horizontal edges", ("Sobel x", "Sobel y", "Sobel kernel")),
    Term("gradient magnitude", 2, "the strength of an edge in any direction, from both Sobel answers"),
    Term("loss", 2, "one number, computed from the output, that says how wrong it is", ("losses",)),
    Term("backward pass", 2, "computing the gradients from the end to the beginning", ("backward",)),
    Term("finite differences", 2, "a slope measured by changing one number a little", ("gradcheck",)),
    Term("autograd", 2, "PyTorch's machinery that derives gradients by itself"),
    Term(
        "transposed convolution",
        2,
        "the backward pass of a convolution for its input, used forwards to enlarge images",
        ("transposed convolutions",),
    ),
    Term(
        "checkerboard",
        2,
        "a pattern that unevenly overlapping stamps leave on a picture",
        ("checkerboards", "checkerboard pattern"),
    ),
    Term("gradient descent", 2, "repeat: compute the gradient, take a small step against it"),
    Term("learning rate", 4, "how far a step goes along the gradient"),
    Term("chain rule", 4, "slopes along a path multiply"),
    Term("validation set", 4, "what decisions are made on: rate, steps, network"),
    Term("logit", 4, "the scores of the classes before the softmax", ("logits",)),
    Term("softmax", 4, "e to the power of each logit, divided by the sum: probabilities"),
    Term("likelihood", 4, "the probability that a model gives to all the right labels together"),
    Term("cross-entropy", 4, "the mean of -ln p of the right classes"),
    Term("fan-in", 4, "how many numbers one output sums over"),
    Term("accuracy", 4, "the share of right answers"),
    Term("batch", 4, "a few images drawn at random for one step", ("batches",)),
    Term("stochastic gradient descent", 4, "descent along the noisy gradient of a batch", ("SGD", "stochastic")),
    Term("epoch", 4, "one pass over the training set", ("epochs",)),
    Term("optimiser", 4, "the rule that turns gradients into steps", ("optimisers",)),
    Term("momentum", 4, "keeps a share of the last step and adds the gradient"),
    Term("Adam", 4, "divides a running mean of the gradient by the root of that of its square"),
    Term("overfitting", 4, "training loss falls while validation loss climbs", ("overfit",)),
    Term("early stopping", 4, "keep the weights at the lowest validation loss"),
    Term("weight decay", 4, "shrink every weight a little in each step"),
    Term("dropout", 4, "set random features to 0 in each training step"),
    Term("augmentation", 4, "change every training image a little, differently each time"),
    Term("moving average", 4, "of the weights over many steps; steadier than the last ones"),
    Term("confusion matrix", 4, "counts of answers, a row per true class, a column per answer"),
    Term("linear probe", 4, "a weighted sum trained on frozen features, to see how good they are"),
    Term("ridge regression", 4, "least squares with a penalty on large weights"),
    Term("backpropagation", 4, "the backward pass through a whole network, by the chain rule"),
    Term("test set", 4, "images looked at once, when everything is decided"),
    Term("pooling", 3, "making one number of each window of an image, by a fixed rule", ("pool", "pooled", "pools")),
    Term("max pooling", 3, "pooling that keeps the largest number of each window", ("max-pooled", "maximum pooling")),
    Term("average pooling", 3, "pooling that keeps the mean of each window", ("mean pooling", "average-pooled")),
    Term("ReLU", 3, "the step that replaces every negative number by zero", ("rectified linear unit",)),
    Term(
        "global average pooling",
        3,
        "average pooling with one window as large as the image: one number a channel",
        ("global average",),
    ),
    Term("feature map", 3, "the output of a convolution, one map for each of its channels", ("feature maps",)),
    Term("invariance", 3, "the answer stays when the image moves", ("invariant",)),
    Term(
        "aliasing",
        3,
        "patterns too fine for the pixels that are kept come back as coarse patterns that were never there",
        ("aliased", "alias"),
    ),
    Term(
        "strided convolution", 3, "a convolution of which only every s-th answer is computed", ("strided convolutions",)
    ),
    Term(
        "receptive field",
        3,
        "the side of the square of pixels from which one number of a deep layer is made",
        ("receptive fields",),
    ),
    Term("effective receptive field", 3, "the part of the receptive field that really counts: its middle"),
    Term(
        "resize-convolution",
        6,
        "enlarging by repeating every pixel, then an ordinary convolution: no grid on a flat image",
        ("resize-convolutions",),
    ),
    Term(
        "batch normalisation",
        6,
        "each channel gets mean 0 and variance 1 over the whole batch, then a learned scale and shift",
        ("batch norm",),
    ),
    Term("running statistics", 6, "the means and variances that batch normalisation collects for eval mode"),
    Term("LeakyReLU", 6, "a ReLU that passes negative numbers on, at a fifth of their size"),
    Term("DCGAN", 6, "a GAN whose two players are built of convolutions, after a paper of 2016", ("DCGANs",)),
    Term(
        "FID",
        6,
        "the Fréchet distance in 2,048 features of the network Inception: what papers print",
        ("Fréchet Inception distance",),
    ),
    Term("slerp", 6, "the way from one noise to another along an arc", ("spherical linear interpolation",)),
    Term("truncation", 6, "drawing from shortened noise: less variety, fewer accidents"),
    Term("conditional GAN", 8, "a GAN whose two networks are told the class", ("conditional GANs",)),
    Term(
        "embedding",
        8,
        "one learned vector per class, looked up in a table",
        ("embeddings",),
    ),
    Term(
        "projection discriminator",
        8,
        "adds to its logit the dot product of the features and a learned vector of the class",
        ("projection discriminators",),
    ),
    Term(
        "auxiliary classifier",
        8,
        "a second output of the discriminator that names the class, as in the AC-GAN",
        ("AC-GAN", "AC-GANs"),
    ),
    Term("label noise", 8, "the share of labels that are replaced by any label, drawn at random"),
    Term("encoder", 9, "what turns an image into a few numbers, its code", ("encoders",)),
    Term("decoder", 9, "what turns a code back into an image", ("decoders",)),
    Term(
        "principal component analysis",
        9,
        "keeping the directions of most variance: the linear code that loses least",
        ("PCA",),
    ),
    Term("eigenvector", 9, "a vector that a matrix only stretches, by its eigenvalue", ("eigenvectors",)),
    Term(
        "autoencoder",
        9,
        "an encoder and a decoder trained together to give back what went in",
        ("autoencoders",),
    ),
    Term("prior", 9, "the distribution from which codes are drawn before any image is seen", ("priors",)),
    Term("reparameterisation", 9, "draw standard normal noise first, then compute mean + sigma * noise of it"),
    Term("score-function estimator", 9, "the gradient of an average from values of the loss alone; noisy"),
    Term(
        "variational autoencoder",
        9,
        "an autoencoder with a cloud of codes for each image, and a KL term that ties the clouds to a prior",
        ("variational autoencoders",),
    ),
    Term("dynamic binarisation", 9, "grey pixels made black or white at random, anew in every step"),
    Term("posterior", 9, "a distribution over codes once an image is known", ("posteriors",)),
    Term("aggregated posterior", 9, "the cloud of codes that an encoder sends for all images together"),
    Term("mode-covering", 11, "of a loss: it makes a model spread over everything the data hold"),
    Term("mode-seeking", 11, "of a loss: it makes a model keep to a part of the data"),
    Term("inversion", 11, "searching the noise or code from which a generator draws a given image"),
    Term(
        "amortisation gap",
        11,
        "what is lost because one encoder answers for all images, against the best code for each",
    ),
    Term("bits back", 11, "coding with latents, where the choice among good codes carries other bits"),
)
