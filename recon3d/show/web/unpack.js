// Typed arrays out of the page's packed text: deflated, then base64.

export async function unpack(text, Kind) {
  const packed = Uint8Array.fromBase64 ? Uint8Array.fromBase64(text) : fromBase64(text);
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Kind(await new Response(stream).arrayBuffer());
}

function fromBase64(text) {
  const raw = atob(text);
  const bytes = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; i++) bytes[i] = raw.charCodeAt(i);
  return bytes;
}
