// What the page says: facts of the scene, the strip of photos, messages.

export const $ = (id) => document.getElementById(id);

export function describe(facts, look) {
  $("name").textContent = facts.name;
  const parts = [];
  if (facts.mesh) parts.push(`${share(facts.mesh.triangles, facts.trianglesInAll)} triangles`);
  if (facts.cloud) parts.push(`${share(facts.cloud.points, facts.pointsInAll)} points`);
  parts.push(facts.photos.length === 1 ? "1 photo" : `${facts.photos.length} photos`);
  const sigma = facts.scaleSigma;
  const sure = sigma >= 1 ? "size unknown" : sigma === 0 ? "size as given" : `size ±\u00a0${(100 * sigma).toFixed(1)}\u00a0%`;
  $("facts-line").textContent = `${parts.join(", ")}; ${sure} (${facts.scaleSource})`;
  $("ramp").style.background = `linear-gradient(to right, ${facts.palette.map((rgb) => `rgb(${rgb})`).join()})`;
  $("licence").textContent = facts.threeLicence;
  facts.photos.forEach((photo, i) => $("strip").append(stripButton(photo, () => look(i))));
}

function stripButton(photo, look) {
  const button = document.createElement("button");
  const name = document.createElement("span");
  button.title = `look from ${photo.name}`;
  name.textContent = photo.name;
  if (photo.picture) {
    const image = document.createElement("img");
    image.src = photo.picture;
    image.alt = "";
    button.append(image);
  }
  button.append(name);
  button.addEventListener("click", look);
  return button;
}

function share(shown, all) {
  return shown < all ? `${count(shown)} of ${count(all)}` : count(all);
}

function count(number) {
  return number.toLocaleString("en").replaceAll(",", "\u202f");
}

export function say(text) {
  $("message").textContent = text;
  $("message").hidden = false;
}
