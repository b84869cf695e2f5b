// Not run: `tsc --strict` checks that the types of the package allow this, and no more.
import { init, Model, SepconvError, startWorker } from "sepconv";
import type { Image, Prediction, Profile, RemoteModel, Tensor } from "sepconv";

export async function page(canvas: CanvasRenderingContext2D, file: File): Promise<Prediction[]> {
  await init({ module: "small" });
  const model = await Model.load(file, {
    labels: ["cat", "dog"],
    onProgress: ({ loaded, total }) => console.log(loaded / (total ?? 1)),
  });
  const image: ImageData = canvas.getImageData(0, 0, 32, 32);
  const { width, height } = image;
  const images: Image[] = [
    image,
    { data: new Uint8ClampedArray(4), width: 1, height: 1 },
    { data: new ArrayBuffer(4), width: 1, height: 1 },
    { data: new Uint8Array(width * height * 3), width, height },
  ];
  const input = model.info.inputs[0];
  if (input === undefined) return [];
  const outputs: Record<string, Tensor> = model.run({ [input.name]: { data: new Float32Array(3), shape: [1, 3] } });
  const profile: Profile = model.profile();
  console.log(
    outputs,
    profile.blocks[0]?.block?.kind,
    model.layers()[0]?.kernel,
    model.compare().network.measuredSpeedup,
  );
  // @ts-expect-error a picture element has to be drawn first
  model.classify(document.createElement("img"));
  // @ts-expect-error lists of numbers are not converted
  model.run({ [input.name]: { data: [1, 2, 3] } });
  const predictions = images.flatMap((image) => model.classify(image, { top: 1 }));
  model.dispose();
  return predictions;
}

export async function elsewhere(bytes: ArrayBuffer): Promise<string> {
  using worker = await startWorker();
  const model: RemoteModel = await worker.load(bytes, { shapes: { image: [1, 3, 320, 320] } });
  try {
    return JSON.stringify(await model.classify({ data: new Uint8ClampedArray(4), width: 1, height: 1 }));
  } catch (error) {
    return error instanceof SepconvError ? `${error.kind}: ${error.message} (${error.node ?? error.file})` : "";
  }
}
