/**
 * A worker that runs the networks of the zoo, the small ones first.
 *
 * It is sent {question, image}, 784 bytes, and answers {question, name, probabilities} for each
 * network; a later question ends an earlier one. Before that it tells {entries, leftOut}, as
 * utils/pages/networks.py lists them, and {ready} once the small ones are loaded. It tells {failure}
 * where something cannot be.
 */

import * as ort from "../runtime/ort.wasm.bundle.min.mjs";

const RUNTIME = new URL("../runtime/ort-wasm-simd-threaded.wasm", import.meta.url);
const FOLDER = new URL("../networks/", import.meta.url);
const SIDE = 28;
/** Networks of no more bytes are loaded before anything is drawn. */
const SMALL = 200_000;

ort.env.wasm.numThreads = 1; // more need headers that a page of files is not served with
ort.env.wasm.wasmPaths = { wasm: RUNTIME.href };
ort.env.logLevel = "error";

/** By file name, the promise of its session: a file is loaded once, when it is first wanted. */
const sessions = new Map();

function load(file) {
  if (!sessions.has(file)) {
    const session = ort.InferenceSession.create(new URL(file, FOLDER).href);
    session.catch(() => sessions.delete(file)); // to be tried again
    sessions.set(file, session);
  }
  return sessions.get(file);
}

/** The ten probabilities that one file gives. */
async function run(file, image) {
  const session = await load(file);
  const images = new ort.Tensor("uint8", image, [1, 1, SIDE, SIDE]);
  const { probabilities } = await session.run({ images });
  return Array.from(probabilities.data);
}

/** The vote of an ensemble's members, as torchbudget/network/ensemble.py counts it. */
function vote(ballots, by) {
  const sums = ballots[0].map((_, digit) =>
    ballots.reduce((sum, ballot) => {
      return sum + (by === "logits" ? Math.log(ballot[digit]) : ballot[digit]) / ballots.length;
    }, 0),
  );
  const shares = by === "logits" ? sums.map((sum) => Math.exp(sum - Math.max(...sums))) : sums;
  const total = shares.reduce((sum, share) => sum + share, 0);
  return shares.map((share) => share / total);
}

const listed = fetch(new URL("index.json", FOLDER))
  .then((response) => response.json())
  .then(({ entries, left_out: leftOut }) => {
    postMessage({ entries, leftOut });
    return entries;
  });
listed.then(warmUp).catch(fail);

async function warmUp(entries) {
  for (const { files, bytes } of entries) {
    if (bytes > SMALL) continue;
    for (const file of files) await run(file, new Uint8Array(SIDE * SIDE));
  }
  postMessage({ ready: true });
}

function fail(error) {
  postMessage({ failure: error.message });
}

let latest = 0;

async function answer({ question, image }) {
  for (const { name, files, vote: by } of await listed) {
    const ballots = [];
    for (const file of files) {
      ballots.push(await run(file, image));
      await new Promise((resolve) => setTimeout(resolve)); // lets a later question in
      if (question !== latest) return;
    }
    postMessage({ question, name, probabilities: vote(ballots, by) });
  }
}

addEventListener("message", ({ data }) => {
  latest = data.question;
  answer(data).catch(fail);
});
