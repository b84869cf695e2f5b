"""Images in a second of a Ray dataset: one worker and two, sepconv beside onnxruntime with Pillow, and beside a function
that does nothing.

    pip install ./bindings/python[ray] onnxruntime pillow
    python scale.py MODEL.onnx FOLDER_OF_PHOTOGRAPHS [--images 1000] [--rounds 3]

Every job reads the same files, over and over until there are as many as asked for, and gives the likeliest class of
each. Pre-processing is torchvision's: the shorter side to 256, bilinear, then the middle 224. Jobs take turns.
"""

import argparse
import io
import pathlib
import statistics
import time

import numpy as np
import ray
import ray.data

import sepconv
import sepconv.ray


class Timed(sepconv.ray.Predictor):
    """The predictor, and how long it takes beside the classifier."""

    def __call__(self, batch):
        start = time.perf_counter()
        inside = 0.0
        classify = self._classifier.classify

        class Clocked:
            def classify(_, image, *, top):
                nonlocal inside
                before = time.perf_counter()
                try:
                    return classify(image, top=top)
                finally:
                    inside += time.perf_counter() - before

        network, self._classifier = self._classifier, Clocked()
        try:
            table = super().__call__(batch)
        finally:
            self._classifier = network
        whole = time.perf_counter() - start
        times = {"whole": whole, "inside": inside}
        for name, seconds in times.items():
            table = table.append_column(name, [[seconds / table.num_rows] * table.num_rows])
        return table


class Empty:
    """What the engine itself takes."""

    def __call__(self, batch):
        return {"class": np.zeros(len(batch["bytes"]), np.int64)}


class Onnxruntime:
    """The same with onnxruntime and Pillow, one thread a worker."""

    def __init__(self, model):
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        self.input = self.session.get_inputs()[0].name

    def __call__(self, batch):
        return {"class": np.array([self.classify(image) for image in batch["bytes"]], np.int64)}

    def classify(self, image):
        from PIL import Image

        picture = Image.open(io.BytesIO(image)).convert("RGB")
        width, height = picture.size
        scale = 256 / min(width, height)
        picture = picture.resize((int(width * scale), int(height * scale)), Image.Resampling.BILINEAR)
        left, top = (picture.width - 224) // 2, (picture.height - 224) // 2
        pixels = np.asarray(picture.crop((left, top, left + 224, top + 224)), np.float32) / 255
        pixels = (pixels - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
        x = pixels.transpose(2, 0, 1)[None].astype(np.float32)
        return int(self.session.run(None, {self.input: x})[0].argmax())


def rate(images, function, arguments, workers):
    """Images in a second, from the first batch to the last, and the rows."""
    rows = ray.data.from_items([{"bytes": image} for image in images]).repartition(4 * workers).materialize()
    answers = rows.map_batches(
        function,
        fn_constructor_args=arguments,
        batch_size=32,
        num_cpus=1,
        compute=ray.data.ActorPoolStrategy(size=workers),
    )
    start = time.perf_counter()
    found = answers.take_all()
    return len(images) / (time.perf_counter() - start), found


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    files = [path.read_bytes() for path in sorted(args.folder.rglob("*.jp*g"))]
    images = [files[i % len(files)] for i in range(args.images)]
    classifier = sepconv.Model(args.model).classifier(preprocess="torch", threads=1)

    ray.init(num_cpus=4, include_dashboard=False, log_to_driver=False)
    ray.data.DataContext.get_current().enable_progress_bars = False
    jobs = {"sepconv": (Timed, [classifier]), "onnxruntime": (Onnxruntime, [args.model]), "nothing": (Empty, [])}
    rates = {(name, workers): [] for name in jobs for workers in (1, 2)}
    shares = []
    for _ in range(args.rounds):
        for (name, workers), found in rates.items():
            images_per_second, rows = rate(images, *jobs[name], workers)
            found.append(images_per_second)
            if name == "sepconv":
                whole, inside = (sum(row[part] for row in rows) for part in ("whole", "inside"))
                shares.append(1 - inside / whole)
    for (name, workers), found in rates.items():
        median = statistics.median(found)
        print(f"{name:12} {workers} worker(s): {median:8.1f} images/s  ({min(found):.1f} to {max(found):.1f})")
    print(f"of the time in sepconv.ray.Predictor {100 * statistics.median(shares):.2f} % are not in the classifier")


if __name__ == "__main__":
    main()
