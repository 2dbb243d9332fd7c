// Target images of the cartoon domain: npm install && node render.mjs OUT [COUNT] [SIZE]
// Art: ToonHead by Johan Melin (https://www.johanmelin.com), CC BY 4.0, in DiceBear's collection.
// Changed here: more colours of skin, hair, clothes and background, other shares, sizes and places,
// darker closed mouths.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createAvatar } from "@dicebear/core";
import * as toonHead from "@dicebear/toon-head";
import { Resvg } from "@resvg/resvg-js";

const [out, count = "3000", size = "256"] = process.argv.slice(2);
if (!out || !(Number(count) > 0) || !(Number(size) > 0)) {
  console.error("usage: node render.mjs OUT [COUNT] [SIZE]");
  process.exit(2);
}

const light = ["f7d7c4", "f1c3a5", "e5b08f"]; // as walks set out from, see face_relit
const skins = [...light, ...light, "d49c7a", "c68e7a", "b98e6a", "a36b4f", "8a5a40", "6f4630", "5c3829"];
const dark = ["151210", "2c1b18", "4a2c22"], grey = ["8f8a85", "c9c5c0"];
const others = ["724133", "a55728", "b58143", "d6b370", "e8d9a0", "b23a26"];
const hairs = [...Array(6).fill(dark).flat(), ...grey, ...grey, ...others]; // as in the photos
const clothes = ["545454", "b11f1f", "0b3286", "147f3c", "eab308", "731ac3", "ec4899", "f97316", "151613", "e8e9e6", "2f8f9d", "8aa0b8", "6b4a33"];
const grounds = ["b6e3f4", "c0aede", "d1d4f9", "ffd5dc", "ffdfbf", "f4f1ea", "cfe3c8", "9fb8c8", "e6c9a8", "8c9a86", "6d7f92", "a88f80", "4f5a66", "3a3f4a", "dfe6ea"];

let state = 20221023; // mulberry32: the same pictures every time
function random() {
  state = (state + 0x6d2b79f5) | 0;
  let t = Math.imul(state ^ (state >>> 15), 1 | state);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
}
const between = (low, high) => Math.round(low + random() * (high - low));
// resvg takes masks by their light, whatever mask-type says: dark ones would hide open mouths.
const opaque = (mask) => mask.replaceAll(/fill="#[0-9a-f]+"/gi, 'fill="white"');
const pick = (list) => list[Math.floor(random() * list.length)];

mkdirSync(out, { recursive: true });
for (let index = 0; index < Number(count); index++) {
  const long = random() < 0.5; // long hair at the back, then seldom a beard
  const svg = createAvatar(toonHead, {
    seed: `cartoon-${index}`,
    skinColor: [pick(skins)],
    hairColor: [pick(hairs)],
    clothesColor: [pick(clothes)],
    hairProbability: long ? 100 : 88,
    rearHairProbability: long ? 100 : 0,
    beardProbability: long ? 0 : 45,
    eyes: [...Array(10).fill("wide"), "bow", "happy"],
    mouth: ["smile", "smile", "smile", "laugh", "laugh", "agape", "sad"],
    backgroundColor: [pick(grounds), pick(grounds)],
    backgroundType: ["solid", "gradientLinear"],
    backgroundRotation: [0, 360],
    scale: between(110, 145),
    translateX: between(-4, 4),
    translateY: between(-2, 8),
    flip: random() < 0.5,
  })
    .toString()
    .replaceAll(/<mask .*?<\/mask>/g, opaque)
    .replaceAll('fill="#3F2626" fill-opacity="0.5"', 'fill="#3F2626" fill-opacity="0.85"');
  const png = new Resvg(svg, { fitTo: { mode: "width", value: Number(size) } }).render().asPng();
  writeFileSync(join(out, `${String(index).padStart(5, "0")}.png`), png);
}
