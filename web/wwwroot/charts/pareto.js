// Results that no other beats.

/**
 * Numbers of the points that no other beats: at most its cost and at least its height, one of them better.
 * @param {{ cost: number, height: number }[]} points
 * @returns {number[]} by rising cost
 */
export function front(points) {
  const order = points.map((_, i) => i).sort((a, b) => at(points, a).cost - at(points, b).cost || at(points, b).height - at(points, a).height);
  /** @type {number[]} */
  const best = [];
  let highest = -Infinity;
  let cost = NaN;
  for (const i of order) {
    const point = at(points, i);
    if (point.height > highest || (point.height === highest && point.cost === cost)) best.push(i);
    if (point.height > highest) ({ height: highest, cost } = point);
  }
  return best;
}

/**
 * @template T
 * @param {T[]} list
 * @param {number} i
 */
const at = (list, i) => /** @type {T} */ (list[i]);
