// The ruler: two points of the scene, the line between them over the picture, and its length with the scale's doubt.

// What stands beside the line; recon3d/show/ruler.py writes the same.
export function lengthText(length, sigma) {
  if (sigma >= 1) return `${length.toFixed(3)} units of unknown size`;
  if (sigma === 0) return `${length.toFixed(3)} m`;
  return `${length.toFixed(3)} m ± ${(length * sigma).toFixed(3)} m`;
}

export class Ruler {
  constructor(sigma) {
    this.sigma = sigma;
    this.points = [];
    this.line = document.getElementById("line");
    this.ends = [document.getElementById("start"), document.getElementById("end")];
    this.label = document.getElementById("length");
  }

  // The third click begins anew.
  add(point) {
    this.points = this.points.length === 2 ? [point] : [...this.points, point];
  }

  clear() {
    this.points = [];
  }

  get text() {
    if (this.points.length < 2) return "";
    return lengthText(this.points[0].distanceTo(this.points[1]), this.sigma);
  }

  draw(camera, width, height) {
    const places = this.points.map((point) => {
      const seen = point.clone().project(camera);
      return { x: ((seen.x + 1) / 2) * width, y: ((1 - seen.y) / 2) * height, ahead: seen.z < 1 };
    });
    this.ends.forEach((circle, i) => {
      const place = places[i];
      circle.style.visibility = place?.ahead ? "visible" : "hidden";
      if (place) set(circle, { cx: place.x, cy: place.y });
    });
    const whole = places.length === 2 && places.every((place) => place.ahead);
    this.line.style.visibility = whole ? "visible" : "hidden";
    this.label.hidden = !whole;
    if (!whole) return;
    const [a, b] = places;
    set(this.line, { x1: a.x, y1: a.y, x2: b.x, y2: b.y });
    this.label.textContent = this.text;
    this.label.style.left = `${(a.x + b.x) / 2}px`;
    this.label.style.top = `${(a.y + b.y) / 2}px`;
  }
}

function set(element, attributes) {
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
}
