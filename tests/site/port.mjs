// Answers each picture on stdin (width, height as uint32, then RGBA) by a byte and, where that is 1,
// the 784 bytes that docs/assets/draw/picture.js makes of it.
import { readPicture } from "../../docs/assets/draw/picture.js";

let received = Buffer.alloc(0);
process.stdin.on("data", (chunk) => {
  received = Buffer.concat([received, chunk]);
  while (received.length >= 8) {
    const [width, height] = [received.readUInt32LE(0), received.readUInt32LE(4)];
    const end = 8 + 4 * width * height;
    if (received.length < end) return;
    const image = readPicture({ data: received.subarray(8, end), width, height });
    process.stdout.write(Buffer.from(image ? [1, ...image] : [0]));
    received = received.subarray(end);
  }
});
