import { parentPort } from "node:worker_threads";
import "./node.js";
import { serve } from "./serve.js";

const port = { postMessage: (message) => parentPort.postMessage(message) };
serve(port);
parentPort.on("message", (data) => port.onmessage({ data }));
