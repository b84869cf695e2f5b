"""Says what images show: ``python classify.py MODEL LABELS IMAGE...``. Without arguments it asks the network that comes
with sepconv about the cat in ``examples/``."""

import pathlib
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np

import sepconv


def classifier(arguments: list[str]) -> sepconv.Classifier:
    if not arguments:
        return sepconv.Model.default_classifier().classifier(threads=1)
    model, labels = arguments
    return sepconv.Model(model).classifier(labels=labels, threads=1)


def main(arguments: list[str]) -> int:
    images = arguments[2:] or [str(pathlib.Path(__file__).resolve().parents[3] / "examples" / "chelsea.png")]
    network = classifier(arguments[:2])
    with ThreadPoolExecutor() as pool:
        for image, predictions in zip(images, pool.map(network.classify, images)):
            best = predictions[0]
            print(f"{image}: {best['label']} ({100 * best['score']:.1f} %)")
    return 0


def features(path: str, x: np.ndarray) -> dict[str, np.ndarray]:
    """The outputs of any network for an array."""
    options: sepconv.Options = {"threads": 1, "batch": x.shape[0]}
    compiled = sepconv.Model(path).compile(**options)
    name = compiled.get_inputs()[0].name
    return compiled.run({name: x})


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except sepconv.Error as error:
        sys.exit(f"{error.kind}: {error}")
