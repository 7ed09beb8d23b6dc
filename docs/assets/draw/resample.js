/**
 * Pillow's resize of pictures of one float a pixel: the same weights and the same order of sums, so
 * the same numbers.
 */

const FILTERS = {
  box: { support: 0.5, weigh: (x) => (x > -0.5 && x <= 0.5 ? 1 : 0) },
  bilinear: { support: 1, weigh: (x) => Math.max(1 - Math.abs(x), 0) },
};

/**
 * The plane {values, height, width} resized; values are rounded to float32 after each direction.
 *
 * @param {"box"|"bilinear"} filter
 */
export function resize(plane, height, width, filter) {
  const wide = width === plane.width ? plane : resizeRows(plane, width, FILTERS[filter]);
  return height === wide.height ? wide : resizeColumns(wide, height, FILTERS[filter]);
}

/** For each of `length` new pixels: the first old pixel that counts, and the weights from there. */
function findWeights(oldLength, length, { support, weigh }) {
  const scale = oldLength / length;
  const stretch = Math.max(scale, 1);
  const reach = support * stretch;
  return Array.from({ length }, (_, place) => {
    const centre = (place + 0.5) * scale;
    const first = Math.max(Math.trunc(centre - reach + 0.5), 0);
    const end = Math.min(Math.trunc(centre + reach + 0.5), oldLength);
    const weights = [];
    let total = 0;
    for (let x = first; x < end; x += 1) {
      weights.push(weigh((x - centre + 0.5) * (1 / stretch)));
      total += weights.at(-1);
    }
    return { first, weights: total === 0 ? weights : weights.map((weight) => weight / total) };
  });
}

function resizeRows({ values, height, width: oldWidth }, width, filter) {
  const resized = new Float32Array(height * width);
  findWeights(oldWidth, width, filter).forEach(({ first, weights }, x) => {
    for (let y = 0; y < height; y += 1) {
      let sum = 0;
      const from = y * oldWidth + first;
      for (let k = 0; k < weights.length; k += 1) sum += values[from + k] * weights[k];
      resized[y * width + x] = sum;
    }
  });
  return { values: resized, height, width };
}

function resizeColumns({ values, height: oldHeight, width }, height, filter) {
  const resized = new Float32Array(height * width);
  findWeights(oldHeight, height, filter).forEach(({ first, weights }, y) => {
    for (let x = 0; x < width; x += 1) {
      let sum = 0;
      const from = first * width + x;
      for (let k = 0; k < weights.length; k += 1) sum += values[from + k * width] * weights[k];
      resized[y * width + x] = sum;
    }
  });
  return { values: resized, height, width };
}
