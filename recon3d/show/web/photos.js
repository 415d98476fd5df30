// Photos where they were taken: their frusta in the scene, and the view from each.

import * as THREE from "three";

const COLOR = 0xd9541a;

export class Photo {
  constructor(facts, length) {
    this.facts = facts;
    const [[r00, r01, r02], [r10, r11, r12], [r20, r21, r22]] = facts.rotation;
    // columns of the photo's rotation: x right, y down, z ahead
    this.right = new THREE.Vector3(r00, r10, r20);
    this.down = new THREE.Vector3(r01, r11, r21);
    this.ahead = new THREE.Vector3(r02, r12, r22);
    this.eye = new THREE.Vector3(...facts.eye);
    this.object = new THREE.Group();
    const corners = this.corners(length);
    const lines = corners.flatMap((corner, i) => [this.eye, corner, corner, corners[(i + 1) % 4]]);
    const material = new THREE.LineBasicMaterial({ color: COLOR });
    this.object.add(new THREE.LineSegments(new THREE.BufferGeometry().setFromPoints(lines), material));
    this.picture = new THREE.Mesh(rectangle(corners), pictureMaterial());
    this.picture.userData.photo = this;
    this.object.add(this.picture);
  }

  // What the photo sees at some distance ahead: its corners from the top left on, clockwise.
  corners(length) {
    const { size: [width, height], focal: [fx, fy], centre: [cx, cy] } = this.facts;
    const places = [[-0.5, -0.5], [width - 0.5, -0.5], [width - 0.5, height - 0.5], [-0.5, height - 0.5]];
    return places.map(([u, v]) =>
      this.eye.clone()
        .addScaledVector(this.right, (length * (u - cx)) / fx)
        .addScaledVector(this.down, (length * (v - cy)) / fy)
        .addScaledVector(this.ahead, length));
  }

  async load() {
    const image = new Image();
    image.src = this.facts.picture;
    await image.decode();
    const texture = new THREE.Texture(image);
    texture.colorSpace = THREE.SRGBColorSpace;
    texture.needsUpdate = true;
    this.picture.material.map = texture;
    this.picture.material.opacity = 1;
    this.picture.material.needsUpdate = true;
  }

  // Puts the camera where the photo was taken, so that the photo as a whole just fits the window.
  lookFrom(camera, width, height) {
    const { size: [w, h], focal: [fx, fy], centre: [cx, cy] } = this.facts;
    const scale = Math.min(width / w, height / h);
    camera.position.copy(this.eye);
    camera.up.copy(this.down).negate();
    camera.lookAt(this.eye.clone().add(this.ahead));
    camera.fov = (2 * Math.atan(height / (2 * fy * scale)) * 180) / Math.PI;
    camera.aspect = ((width / height) * fy) / fx;
    camera.setViewOffset(width, height, ((w - 1) / 2 - cx) * scale, ((h - 1) / 2 - cy) * scale, width, height);
    camera.aspect = ((width / height) * fy) / fx; // setViewOffset sets that of the window
    camera.updateProjectionMatrix();
    return scale;
  }
}

function rectangle(corners) {
  const geometry = new THREE.BufferGeometry().setFromPoints(corners);
  geometry.setAttribute("uv", new THREE.Float32BufferAttribute([0, 1, 1, 1, 1, 0, 0, 0], 2));
  geometry.setIndex([0, 3, 1, 1, 3, 2]);
  return geometry;
}

function pictureMaterial() {
  return new THREE.MeshBasicMaterial({ side: THREE.DoubleSide, transparent: true, opacity: 0.2 });
}
