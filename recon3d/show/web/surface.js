// Surface and points: their geometry, and how they are coloured and cut.

import * as THREE from "three";
import { unpack } from "recon3d/unpack";

const SAMPLES = 3000; // vertices that the range of the distance colours is read from

const VERTEX = `
  attribute vec4 tint;
  uniform vec3 up;
  uniform float pointSize;
  varying vec3 vTint;
  varying vec3 vNormal;
  varying vec3 vEye;
  varying float vHeight;
  void main() {
    vec4 eye = modelViewMatrix * vec4(position, 1.0);
    vTint = tint.rgb;
    vNormal = normalMatrix * normal;
    vEye = eye.xyz;
    vHeight = dot(position, up);
    gl_Position = projectionMatrix * eye;
    gl_PointSize = clamp(pointSize / -eye.z, 1.5, 12.0);
  }`;

const FRAGMENT = `
  uniform vec3 palette[STOPS];
  uniform vec2 range;
  uniform float cut;
  uniform float shade;
  uniform bool byDistance;
  varying vec3 vTint;
  varying vec3 vNormal;
  varying vec3 vEye;
  varying float vHeight;
  vec3 ramp(float share) {
    float place = clamp(share, 0.0, 1.0) * float(STOPS - 1);
    int below = int(min(place, float(STOPS - 2)));
    return mix(palette[below], palette[below + 1], place - float(below));
  }
  void main() {
    if (vHeight > cut) discard;
    vec3 base = byDistance ? ramp((-vEye.z - range.x) / (range.y - range.x)) : vTint;
    float light = shade < 1.0 ? shade + (1.0 - shade) * abs(dot(normalize(vNormal), normalize(vEye))) : 1.0;
    gl_FragColor = vec4(base * light, 1.0); // sRGB as it is: nothing is converted on the way to the screen
  }`;

export async function surfaceOf(facts) {
  return new THREE.Mesh(await geometryOf(facts.mesh), materialOf(facts, facts.shade));
}

export async function pointsOf(facts) {
  const points = new THREE.Points(await geometryOf(facts.cloud), materialOf(facts, 1));
  points.visible = false;
  return points;
}

async function geometryOf(packed) {
  const geometry = new THREE.BufferGeometry();
  const attribute = (array, size, normalized) => new THREE.BufferAttribute(array, size, normalized);
  geometry.setAttribute("position", attribute(await unpack(packed.positions, Float32Array), 3, false));
  geometry.setAttribute("tint", attribute(await unpack(packed.colors, Uint8Array), 4, true));
  if (packed.normals) geometry.setAttribute("normal", attribute(await unpack(packed.normals, Int8Array), 4, true));
  if (packed.indices) geometry.setIndex(attribute(await unpack(packed.indices, Uint32Array), 1, false));
  geometry.computeBoundingSphere();
  return geometry;
}

function materialOf(facts, shade) {
  const stops = facts.palette.map((rgb) => new THREE.Vector3(...rgb).divideScalar(255));
  return new THREE.ShaderMaterial({
    vertexShader: VERTEX,
    fragmentShader: FRAGMENT,
    defines: { STOPS: stops.length },
    side: THREE.FrontSide,
    uniforms: {
      palette: { value: stops },
      range: { value: new THREE.Vector2(0, 1) },
      up: { value: new THREE.Vector3(...facts.up) },
      cut: { value: Infinity },
      shade: { value: shade },
      byDistance: { value: false },
      pointSize: { value: 1 },
    },
  });
}

// The distances along the view, of what is in it, that get the first and the last colour.
export function distanceRange(shape, camera, percentiles) {
  const positions = shape.geometry.getAttribute("position");
  const step = Math.max(1, Math.floor(positions.count / SAMPLES));
  const point = new THREE.Vector3();
  const ahead = [];
  for (let i = 0; i < positions.count; i += step) {
    const distance = -point.fromBufferAttribute(positions, i).applyMatrix4(camera.matrixWorldInverse).z;
    point.applyMatrix4(camera.projectionMatrix);
    if (distance > 0 && Math.max(Math.abs(point.x), Math.abs(point.y)) < 1) ahead.push(distance);
  }
  if (!ahead.length) return [0, 1];
  ahead.sort((a, b) => a - b);
  const [near, far] = percentiles.map((share) => ahead[Math.round((share / 100) * (ahead.length - 1))]);
  return [near, Math.max(far, near + 1e-6)];
}

// Lowest and highest of the scene's corners, along what is up.
export function heightsOf({ low, high, up }) {
  const corners = [0, 1, 2, 3, 4, 5, 6, 7].map((bits) =>
    up.reduce((sum, share, axis) => sum + share * (bits & (1 << axis) ? high : low)[axis], 0));
  return [Math.min(...corners), Math.max(...corners)];
}
