/**
 * Turns a picture of one digit into an image like MNIST's: ink 255 on 0, 28x28, in a box of 20x20.
 *
 * The steps are those of utils/picture.py, function by function, which says what each is for.
 * tests/site/test_picture_law.py compares the two. A plane of values is {values, height, width},
 * row by row.
 */

import { resize } from "./resample.js";

export const SIDE = 28;
/** A picture of more pixels than this is refused, as Pillow refuses it. */
export const MAX_PIXELS = 89_478_485;
const BOX = 20;
const WORKING = 224;
const GRID = 1024;
const CONTRAST = 16;
const FAINT = 0.2;
const SPECK = 0.03;

/**
 * The digit on a picture: 784 bytes, or null where nothing stands out from the border.
 *
 * @param {{data: Uint8ClampedArray|Uint8Array, width: number, height: number}} picture RGBA, alpha
 *   not premultiplied, as `getImageData` gives it
 */
export function readPicture(picture) {
  const ink = findInk(readGrey(picture));
  return ink && frame(ink);
}

/** The picture in grey, 0..255, at most `WORKING` a side; transparent pixels become white. */
export function readGrey({ data, width, height }) {
  const grey = new Float32Array(width * height);
  let lowest = 255;
  let highest = 0;
  for (let i = 0; i < grey.length; i += 1) {
    const alpha = data[4 * i + 3];
    const red = overWhite(data[4 * i], alpha);
    const green = overWhite(data[4 * i + 1], alpha);
    const blue = overWhite(data[4 * i + 2], alpha);
    grey[i] = (red * 19595 + green * 38470 + blue * 7471 + 0x8000) >> 16;
    lowest = Math.min(lowest, grey[i]);
    highest = Math.max(highest, grey[i]);
  }
  if (lowest >= highest) {
    for (let i = 0; i < grey.length; i += 1) grey[i] = data[4 * i + 3]; // white ink
  }
  const plane = { values: grey, height, width };
  if (Math.max(width, height) <= WORKING) return plane;
  return resize(plane, ...thumbnailSize(width, height), "box");
}

/** One colour of a pixel laid over white, as Pillow's `alpha_composite` rounds it. */
function overWhite(colour, alpha) {
  const sum = (colour * alpha + 255 * (255 - alpha)) * 128 + 0x80 * 128;
  return ((sum >> 8) + sum) >> 15;
}

/** [height, width] of the picture reduced to `WORKING`, as Pillow's `thumbnail` rounds it. */
function thumbnailSize(width, height) {
  const aspect = width / height;
  const nearest = (number, distance) => {
    const [low, high] = [Math.floor(number), Math.ceil(number)];
    return Math.max(distance(high) < distance(low) ? high : low, 1);
  };
  if (aspect <= 1) {
    return [WORKING, nearest(WORKING * aspect, (n) => Math.abs(aspect - n / WORKING))];
  }
  return [nearest(WORKING / aspect, (n) => (n ? Math.abs(aspect - WORKING / n) : 0)), WORKING];
}

/** The ink in 0..1, 0 on paper; null if nothing stands out. */
export function findInk({ values: grey, height, width }) {
  const paper = fitPaper({ values: grey, height, width });
  let away = Float64Array.from(grey, (value, i) => onGrid(value - paper[i]));
  const [lowest, highest] = extremesOfSums(away, height, width);
  if (-lowest > highest) away = away.map((value) => -value || 0);
  const size = away.map(Math.abs);
  const noise = 1.4826 * median(borderOf(size, height, width));
  const most = away.reduce((a, b) => Math.max(a, b), -Infinity);
  const peak = percentile(away.filter((value) => value >= 0.5 * most), 0.75);
  if (!(peak >= Math.max(CONTRAST, 6 * noise))) return null;
  const ink = away.map((value) => Math.min(Math.max(value / peak, 0), 1));
  const least = Math.max(FAINT, (4 * noise) / peak);
  const kept = withoutSpecks(Uint8Array.from(ink, (value) => value > least), height, width);
  return { values: ink.map((value, i) => (kept[i] ? value : 0)), height, width };
}

function onGrid(value) {
  return Math.floor(value * GRID + 0.5) / GRID;
}

/** Least and greatest of the sums over 3x3 pixels, the edge repeated. */
function extremesOfSums(values, height, width) {
  const inside = (index, side) => Math.min(Math.max(index, 0), side - 1);
  let lowest = Infinity;
  let highest = -Infinity;
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      let sum = 0;
      for (let dy = -1; dy <= 1; dy += 1) {
        const row = inside(y + dy, height) * width;
        for (let dx = -1; dx <= 1; dx += 1) sum += values[row + inside(x + dx, width)];
      }
      lowest = Math.min(lowest, sum);
      highest = Math.max(highest, sum);
    }
  }
  return [lowest, highest];
}

/** The pixels of the frame, a twentieth of each side wide, as one row. */
function borderOf(values, height, width) {
  const [down, across] = [height, width].map((side) => Math.max(1, Math.floor(side / 20)));
  return values.filter((_, i) => {
    const [y, x] = [Math.floor(i / width), i % width];
    return y < down || y >= height - down || x < across || x >= width - across;
  });
}

function sorted(values) {
  return Float64Array.from(values).sort();
}

function median(values) {
  const ordered = sorted(values);
  const middle = ordered.length >> 1;
  return ordered.length % 2 ? ordered[middle] : (ordered[middle - 1] + ordered[middle]) / 2;
}

/** The value below which a share of the values lies, between two values as numpy goes. */
function percentile(values, share) {
  const ordered = sorted(values);
  const place = (ordered.length - 1) * share;
  const low = Math.floor(place);
  const [a, b] = [ordered[low], ordered[Math.min(low + 1, ordered.length - 1)]];
  const t = place - low;
  return t >= 0.5 ? b - (b - a) * (1 - t) : a + (b - a) * t;
}

/** -1 to 1 in `side` steps; a single one is -1. */
function linspace(side) {
  const line = Float64Array.from({ length: side }, (_, i) => i * (2 / (side - 1)) - 1);
  if (side === 1) line[0] = -1;
  else line[side - 1] = 1;
  return line;
}

/** The plane through the brightness of the border, without what crosses the border. */
function fitPaper({ values: grey, height, width }) {
  const [down, across] = [linspace(height), linspace(width)];
  const rows = Float64Array.from(grey, (_, i) => down[Math.floor(i / width)]);
  const columns = Float64Array.from(grey, (_, i) => across[i % width]);
  const [values, y, x] = [grey, rows, columns].map((plane) => borderOf(plane, height, width));
  let plane = [median(values), 0, 0];
  const brightnessAt = (row, column) => plane[0] + plane[1] * row + plane[2] * column;
  for (let round = 0; round < 4; round += 1) {
    const off = Float64Array.from(values, (value, i) =>
      Math.abs(onGrid(value - brightnessAt(y[i], x[i]))),
    );
    const limit = 3 * median(off) + 1;
    plane = leastSquares(values, y, x, (i) => off[i] <= limit);
  }
  return rows.map((row, i) => brightnessAt(row, columns[i]));
}

/** [a, b, c] of the plane a + b y + c x nearest to the kept values; the shortest of several. */
function leastSquares(values, y, x, isKept) {
  const matrix = [[0, 0, 0], [0, 0, 0], [0, 0, 0]];
  const right = [0, 0, 0];
  for (let i = 0; i < values.length; i += 1) {
    if (!isKept(i)) continue;
    const point = [1, y[i], x[i]];
    for (let a = 0; a < 3; a += 1) {
      right[a] += point[a] * values[i];
      for (let b = 0; b < 3; b += 1) matrix[a][b] += point[a] * point[b];
    }
  }
  const { lengths, vectors } = eigen(matrix);
  const least = 1e-12 * Math.max(...lengths);
  const solution = [0, 0, 0];
  vectors.forEach((vector, k) => {
    if (lengths[k] <= least) return;
    const share = dot(vector, right) / lengths[k];
    for (let a = 0; a < 3; a += 1) solution[a] += share * vector[a];
  });
  return solution;
}

function dot(a, b) {
  return a.reduce((sum, value, i) => sum + value * b[i], 0);
}

/** Eigenvalues and eigenvectors of a symmetric 3x3 matrix, by Jacobi's rotations. */
function eigen(symmetric) {
  const m = symmetric.map((row) => [...row]);
  const vectors = [[1, 0, 0], [0, 1, 0], [0, 0, 1]];
  for (let sweep = 0; sweep < 30; sweep += 1) {
    for (const [p, q] of [[0, 1], [0, 2], [1, 2]]) {
      if (m[p][q] === 0) continue;
      const theta = (m[q][q] - m[p][p]) / (2 * m[p][q]);
      const t = (theta < 0 ? -1 : 1) / (Math.abs(theta) + Math.hypot(theta, 1));
      const c = 1 / Math.hypot(t, 1);
      const s = t * c;
      for (const row of m) [row[p], row[q]] = [c * row[p] - s * row[q], s * row[p] + c * row[q]];
      for (const rows of [m, vectors]) {
        const [first, second] = [rows[p], rows[q]];
        rows[p] = first.map((value, k) => c * value - s * second[k]);
        rows[q] = first.map((value, k) => s * value + c * second[k]);
      }
      m[p][q] = 0;
      m[q][p] = 0;
    }
  }
  return { lengths: [0, 1, 2].map((i) => m[i][i]), vectors };
}

/** Visits the eight neighbours of pixel `i`. */
function* neighbours(i, height, width) {
  const [y, x] = [Math.floor(i / width), i % width];
  for (let ny = Math.max(y - 1, 0); ny <= Math.min(y + 1, height - 1); ny += 1) {
    for (let nx = Math.max(x - 1, 0); nx <= Math.min(x + 1, width - 1); nx += 1) {
      yield ny * width + nx;
    }
  }
}

/** The pieces that are not small beside the largest, each one pixel wider. */
function withoutSpecks(marked, height, width) {
  const pieces = [];
  const visited = new Uint8Array(marked.length);
  for (let start = 0; start < marked.length; start += 1) {
    if (!marked[start] || visited[start]) continue;
    const piece = [start];
    visited[start] = 1;
    for (let next = 0; next < piece.length; next += 1) {
      for (const i of neighbours(piece[next], height, width)) {
        if (marked[i] && !visited[i]) {
          visited[i] = 1;
          piece.push(i);
        }
      }
    }
    pieces.push(piece);
  }
  const largest = pieces.reduce((most, piece) => Math.max(most, piece.length), 0);
  const kept = new Uint8Array(marked.length);
  for (const piece of pieces.filter(({ length }) => length >= SPECK * largest)) {
    for (const pixel of piece) for (const i of neighbours(pixel, height, width)) kept[i] = 1;
  }
  return kept;
}

/** 784 bytes: the ink in a box of 20, its centre of mass moved to the middle as far as it goes. */
export function frame({ values, height, width }) {
  const inked = (i) => values[i] > FAINT;
  const [rows, columns] = [new Set(), new Set()];
  for (let i = 0; i < values.length; i += 1) {
    if (inked(i)) rows.add(Math.floor(i / width)) && columns.add(i % width);
  }
  const [top, left] = [Math.min(...rows), Math.min(...columns)];
  const cropped = { height: Math.max(...rows) + 1 - top, width: Math.max(...columns) + 1 - left };
  cropped.values = new Float32Array(cropped.height * cropped.width).map((_, i) => {
    const [y, x] = [Math.floor(i / cropped.width), i % cropped.width];
    return values[(top + y) * width + left + x];
  });
  const longer = Math.max(cropped.height, cropped.width);
  const size = [cropped.height, cropped.width].map((side) =>
    Math.max(1, roundHalfToEven((side * BOX) / longer)),
  );
  const digit = resize(cropped, ...size, longer > BOX ? "box" : "bilinear");
  const bytes = digit.values.map((value) =>
    Math.min(Math.max(roundHalfToEven(Math.fround(value * 255)), 0), 255),
  );
  const down = new Array(size[0]).fill(0);
  const across = new Array(size[1]).fill(0);
  bytes.forEach((byte, i) => {
    down[Math.floor(i / size[1])] += byte;
    across[i % size[1]] += byte;
  });
  const [y0, x0] = [down, across].map(corner);
  const canvas = new Uint8Array(SIDE * SIDE);
  bytes.forEach((byte, i) => {
    canvas[(y0 + Math.floor(i / size[1])) * SIDE + x0 + (i % size[1])] = byte;
  });
  return canvas;
}

/** Where a profile of mass begins on a side of 28 if its centre lies in the middle. */
function corner(mass) {
  const moment = mass.reduce((sum, value, i) => sum + value * i, 0);
  const centre = moment / mass.reduce((sum, value) => sum + value, 0);
  return Math.min(Math.max(roundHalfToEven(SIDE / 2 - centre), 0), SIDE - mass.length);
}

function roundHalfToEven(value) {
  const low = Math.floor(value);
  if (value - low !== 0.5) return Math.round(value);
  return low % 2 === 0 ? low : low + 1;
}
