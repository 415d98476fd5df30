// The page: reads what it holds, draws it, and does what mouse and keys ask.

import * as THREE from "three";
import { OrbitControls } from "three/orbit";
import { $, describe, say } from "recon3d/panel";
import { Photo } from "recon3d/photos";
import { Ruler } from "recon3d/ruler";
import { distanceRange, heightsOf, pointsOf, surfaceOf } from "recon3d/surface";

const STILL_PX = 5; // a press that moves less is a click
const FOV_DEG = 35; // upright, as of the overview
const WIDE = Math.tan((22.5 * Math.PI) / 180); // half of what the overview sees across, at distance 1
const facts = JSON.parse($("facts").textContent);
const canvas = $("canvas");
const up = new THREE.Vector3(...facts.up);
const diagonal = new THREE.Vector3(...facts.high).distanceTo(new THREE.Vector3(...facts.low)) || 1;

const heights = heightsOf(facts);
const scene = new THREE.Scene();
const camera = new THREE.PerspectiveCamera(FOV_DEG, 1, diagonal / 2000, diagonal * 20);
const ruler = new Ruler(facts.scaleSigma);
const photos = facts.photos.map((photo) => new Photo(photo, facts.frustum));
const frusta = new THREE.Group();
let renderer, controls, surface, points;
let chosen = -1, photoLens = false, overlaid = false, measuring = false, stale = true;

window.addEventListener("error", (event) => say(`Something went wrong: ${event.message}`));
main().catch((error) => {
  say(`Something went wrong: ${error.message}`);
  console.error(error);
});

async function main() {
  describe(facts, look);
  try {
    renderer = new THREE.WebGLRenderer({ canvas, antialias: true });
  } catch {
    say("This browser gives no WebGL 2, which the viewer needs; try another one, or switch on hardware acceleration.");
    return;
  }
  renderer.setPixelRatio(Math.min(window.devicePixelRatio, 2));
  scene.background = new THREE.Color().setRGB(...facts.background.map((band) => band / 255), THREE.SRGBColorSpace);
  if (facts.mesh) scene.add((surface = await surfaceOf(facts)));
  if (facts.cloud) scene.add((points = await pointsOf(facts)));
  if (points && !surface) points.visible = true;
  await Promise.all(photos.filter((photo) => photo.facts.picture).map((photo) => photo.load()));
  photos.forEach((photo) => frusta.add(photo.object));
  scene.add(frusta);
  camera.up.copy(up);
  controls = new OrbitControls(camera, canvas);
  controls.addEventListener("change", () => (leavePhoto(), invalidate()));
  listen();
  home();
  new ResizeObserver(resize).observe($("stage"));
  resize();
  reflect();
  $("message").hidden = true;
  draw();
  requestAnimationFrame(loop);
  window.recon3d = { ready: true, readyMs: performance.now(), project, ruler, photos, camera, renderer };
}

// What is asked for

const ACTIONS = {
  m: () => toggle(surface),
  c: () => toggle(points),
  f: () => toggle(frusta),
  b: () => set("backs", !$("backs").checked),
  d: () => set("depth", !$("depth").checked),
  "[": () => cutTo(Number($("cut").value) - 25),
  "]": () => cutTo(Number($("cut").value) + 25),
  r: () => measure(!measuring),
  h: home,
  n: () => look((chosen + 1) % photos.length),
  p: () => look((chosen <= 0 ? photos.length : chosen) - 1),
  t: () => overlay(!overlaid),
  escape: () => (measure(false), leavePhoto()),
  "?": () => ($("help").open = !$("help").open),
};

function listen() {
  const shapes = { mesh: surface, cloud: points, frusta };
  for (const [id, shape] of Object.entries(shapes)) $(id).addEventListener("change", () => toggle(shape));
  for (const id of ["backs", "depth"]) $(id).addEventListener("change", () => set(id, $(id).checked));
  $("cut").addEventListener("input", () => cutTo(Number($("cut").value)));
  $("ruler").addEventListener("click", () => measure(!measuring));
  $("home").addEventListener("click", home);
  $("licence-link").addEventListener("click", (event) => {
    event.preventDefault();
    $("licence").hidden = !$("licence").hidden;
  });
  window.addEventListener("keydown", (event) => {
    const action = ACTIONS[event.key.toLowerCase()];
    if (action && !event.ctrlKey && !event.metaKey && !event.altKey) action();
  });
  let pressed = null;
  canvas.addEventListener("pointerdown", (event) => (pressed = event.button === 0 ? event : null));
  canvas.addEventListener("pointerup", (event) => {
    const still = pressed && Math.hypot(event.clientX - pressed.clientX, event.clientY - pressed.clientY) < STILL_PX;
    if (still) click(event.offsetX, event.offsetY);
  });
  canvas.addEventListener("dblclick", (event) => {
    const point = surfacePoint(event.offsetX, event.offsetY);
    if (!point || measuring) return;
    controls.target.copy(point);
    controls.update();
    invalidate();
  });
}

function toggle(shape) {
  if (shape) shape.visible = !shape.visible;
  reflect();
}

function set(id, on) {
  $(id).checked = on;
  reflect();
}

function cutTo(value) {
  $("cut").value = value;
  reflect();
}

// Makes boxes, legend and materials say the same.
function reflect() {
  for (const [id, shape] of [["mesh", surface], ["cloud", points], ["frusta", frusta]]) {
    $(id).disabled = !shape;
    $(id).checked = Boolean(shape?.visible);
  }
  for (const shape of shapes()) {
    shape.material.side = $("backs").checked ? THREE.DoubleSide : THREE.FrontSide;
    shape.material.uniforms.byDistance.value = $("depth").checked;
    shape.material.uniforms.cut.value = cutHeight();
  }
  const above = cutHeight() - heights[0];
  $("height").textContent = Number.isFinite(above) ? `${above.toFixed(2)} m` : "off";
  $("legend").hidden = !$("depth").checked;
  $("ruler").setAttribute("aria-pressed", measuring);
  canvas.classList.toggle("measuring", measuring);
  [...$("strip").children].forEach((button, i) => button.setAttribute("aria-pressed", i === chosen));
  invalidate();
}

function shapes() {
  return [surface, points].filter(Boolean);
}

function cutHeight() {
  const [low, high] = heights, share = Number($("cut").value) / 1000;
  return share >= 1 ? Infinity : low + share * (high - low);
}

function measure(on) {
  measuring = on;
  ruler.clear();
  $("ruler-says").textContent = on ? "Click two points of the surface." : "";
  reflect();
}

function click(x, y) {
  if (measuring) {
    const point = surfacePoint(x, y);
    if (point) ruler.add(point);
    const one = ruler.points.length === 1 ? "Now the other end." : "Nothing there to measure: click on the surface.";
    $("ruler-says").textContent = ruler.text || one;
    invalidate();
    return;
  }
  const seen = frusta.visible ? photos.filter((photo) => photo.object.visible).map((photo) => photo.picture) : [];
  const [hit] = caster(x, y).intersectObjects(seen, false);
  const point = surfacePoint(x, y);
  if (hit && (!point || hit.distance < point.distanceTo(camera.position))) {
    look(photos.indexOf(hit.object.userData.photo));
  }
}

// Looking

function home() {
  leavePhoto();
  photoLens = false;
  resize();
  camera.position.set(...facts.eye);
  camera.up.copy(up);
  controls.target.set(...facts.target);
  controls.update();
  invalidate();
}

function look(i) {
  if (!photos.length) return;
  leavePhoto();
  chosen = i;
  photoLens = true;
  photos.forEach((photo) => (photo.object.visible = false)); // cameras nearby would stand in the way
  aim();
  $("strip").children[i].scrollIntoView({ block: "nearest", inline: "nearest" });
  reflect();
}

// Turns the camera as the chosen photo's was.
function aim() {
  const photo = photos[chosen];
  photo.lookFrom(camera, canvas.clientWidth, canvas.clientHeight);
  camera.updateMatrixWorld();
  const centre = new THREE.Raycaster(photo.eye, photo.ahead).intersectObjects(surface ? [surface] : [], false)[0];
  controls.target.copy(photo.eye).addScaledVector(photo.ahead, centre ? centre.distance : diagonal / 4);
}

function overlay(on) {
  overlaid = on && chosen >= 0;
  const photo = photos[chosen];
  if (photo) {
    photo.object.visible = overlaid;
    photo.picture.material.opacity = overlaid ? 0.6 : 1;
    photo.picture.material.depthTest = !overlaid;
  }
  invalidate();
}

// The photo's lens stays: the picture must not jump when one begins to turn it.
function leavePhoto() {
  if (chosen < 0) return;
  overlay(false);
  photos.forEach((photo) => (photo.object.visible = true));
  chosen = -1;
  camera.clearViewOffset();
  camera.up.copy(up);
  resize();
  reflect();
}

function project(point) {
  const seen = new THREE.Vector3(...point).project(camera);
  return [((seen.x + 1) / 2) * canvas.clientWidth, ((1 - seen.y) / 2) * canvas.clientHeight];
}

function caster(x, y) {
  const place = new THREE.Vector2((2 * x) / canvas.clientWidth - 1, 1 - (2 * y) / canvas.clientHeight);
  const found = new THREE.Raycaster();
  found.setFromCamera(place, camera);
  found.params.Points.threshold = diagonal / 1000;
  return found;
}

// The point of the surface, or else of the cloud, that is seen at a place of the window.
function surfacePoint(x, y) {
  const cut = cutHeight();
  const found = caster(x, y).intersectObjects(shapes().filter((shape) => shape.visible), false);
  return found.find((hit) => hit.point.dot(up) <= cut)?.point ?? null;
}

// Drawing, only when something changed

function invalidate() {
  stale = true;
}

function resize() {
  const width = canvas.clientWidth, height = canvas.clientHeight;
  renderer.setSize(width, height, false);
  if (chosen >= 0) {
    aim();
  } else {
    camera.aspect = width / height;
    if (!photoLens) camera.fov = Math.max(FOV_DEG, (2 * Math.atan(WIDE / camera.aspect) * 180) / Math.PI);
    camera.updateProjectionMatrix();
  }
  for (const shape of shapes()) shape.material.uniforms.pointSize.value = (diagonal / 600) * height;
  invalidate();
}

function loop() {
  if (stale) draw();
  requestAnimationFrame(loop);
}

function draw() {
  stale = false;
  camera.updateMatrixWorld();
  const first = shapes()[0];
  if (first && $("depth").checked) {
    const range = distanceRange(first, camera, facts.paletteRange);
    for (const shape of shapes()) shape.material.uniforms.range.value.set(...range);
    [$("near").textContent, $("far").textContent] = range.map((distance) => `${distance.toFixed(1)} m`);
  }
  renderer.render(scene, camera);
  ruler.draw(camera, canvas.clientWidth, canvas.clientHeight);
}
