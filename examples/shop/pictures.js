// Pictures of what the shop sells, drawn by code: a drawing for each noun, in the colours of each line.
//
// A drawing stands on a ground at y = 320 of a square of 400. Colours: a is what it is made of, b its shade, c an
// accent, d what is dark.

const path = (d, fill) => `<path d="${d}" fill="${fill}"/>`
const line = (d, stroke, width) =>
  `<path d="${d}" fill="none" stroke="${stroke}" stroke-width="${width}" stroke-linecap="round" stroke-linejoin="round"/>`
const oval = (x, y, rx, ry, fill) => `<ellipse cx="${x}" cy="${y}" rx="${rx}" ry="${ry}" fill="${fill}"/>`
const box = (x, y, width, height, radius, fill) =>
  `<rect x="${x}" y="${y}" width="${width}" height="${height}" rx="${radius}" fill="${fill}"/>`

const GROUND = 320
const WHITE = '#fffdf8'

const LINES = {
  plain: { a: '#d8cbb6', b: '#b5a488', c: '#7f9272', d: '#4c4336', ground: '#f4efe6', glow: '#fffaf1' },
  copper: { a: '#cd8152', b: '#9c5733', c: '#f0cba6', d: '#46291b', ground: '#f8e9de', glow: '#fff6ee' },
  nordic: { a: '#7f9fae', b: '#557684', c: '#ecd9b4', d: '#263b45', ground: '#e6eef1', glow: '#f7fbfc' },
  deluxe: { a: '#35453f', b: '#22302b', c: '#cfa653', d: '#111816', ground: '#ebe5d6', glow: '#faf6ec' },
}

const kitchen = {
  bowl: ({ a, b, c, d }) => path('M160 298h80l10 22h-100z', b) + path('M72 186h256c0 72-54 118-128 118S72 258 72 186z', a)
    + oval(200, 186, 128, 27, b) + oval(200, 189, 110, 19, d) + line('M96 226c10 30 30 50 52 60', c, 6),
  pan: ({ a, b, c, d }) => box(256, 262, 120, 20, 10, d) + path('M46 252h226v18c0 30-22 50-50 50H96c-28 0-50-20-50-50z', a)
    + oval(159, 252, 113, 22, b) + oval(159, 255, 97, 15, d) + oval(350, 272, 5, 5, c),
  kettle: ({ a, b, c, d }) => line('M140 168c4-66 116-66 120 0', d, 14) + path('M284 214l52-36 12 14-46 66z', b)
    + path('M118 320c-26-56-6-152 82-152s108 96 82 152z', a) + path('M118 320c-8-18-12-40-9-62h182c3 22-1 44-9 62z', b)
    + box(170, 156, 60, 16, 8, d) + oval(200, 148, 12, 12, c),
  knife: ({ a, b, c, d }) => box(60, 296, 280, 24, 6, b)
    + `<g transform="rotate(-24 200 230)">${path('M40 214h196v44H96c-26 0-46-18-56-44z', '#dfe5e6')}`
    + `${path('M40 214h196v12H47z', '#f7fafa')}${box(236, 208, 118, 34, 15, a)}${box(236, 208, 16, 40, 4, c)}`
    + `${oval(286, 225, 5, 5, d)}${oval(322, 225, 5, 5, d)}</g>`,
  teapot: ({ a, b, c, d }) => line('M284 212c70-26 66 66 2 64', b, 16) + path('M114 238c-36-4-40-50-66-54l8-16c44 2 54 34 74 40z', b)
    + oval(200, 248, 96, 72, a) + path('M130 200c14-34 126-34 140 0-34 16-106 16-140 0z', b) + oval(200, 168, 14, 14, c)
    + line('M130 258c8 24 24 38 46 44', c, 6) + box(156, 310, 88, 10, 5, d),
}

const garden = {
  watering_can: ({ a, b, c, d }) => line('M232 186c80-60 130 66 48 104', b, 15) + path('M140 232l-80-62-16 20 96 100z', b)
    + path('M36 158l44 30-22 28-42-34z', d) + path('M130 200h140l16 120H114z', a) + path('M126 232h148l4 26H122z', c)
    + oval(200, 200, 70, 14, d) + line('M160 194c10-50 70-50 80 0', b, 12),
  lantern: ({ a, b, c, d }) => line('M164 118c0-56 72-56 72 0', d, 9) + path('M128 136h144l-30-34h-84z', a)
    + box(136, 136, 128, 164, 6, WHITE) + box(136, 136, 128, 164, 6, 'rgba(255,196,92,.35)')
    + box(176, 220, 48, 80, 5, c) + path('M200 168c24 26 18 48 0 50-18-2-24-24 0-50z', '#f5a623')
    + [136, 194, 252].map((x) => box(x, 136, 12, 164, 3, a)).join('') + box(116, 298, 168, 22, 6, b),
  trowel: ({ a, b, c, d }) => `<g transform="rotate(28 200 220)">${box(182, 70, 36, 104, 18, a)}${box(182, 156, 36, 18, 3, c)}`
    + `${box(194, 170, 12, 42, 4, d)}${path('M150 208h100c6 66-16 108-50 136-34-28-56-70-50-136z', b)}`
    + `${path('M196 216h8v104l-4 6-4-6z', d)}${oval(200, 92, 6, 8, d)}</g>`,
  planter: ({ a, b, c, d }) => line('M200 206c-4-60-30-84-70-102M200 206c2-70 10-96 36-130M200 206c14-50 40-66 76-70', d, 6)
    + [[118, 98, -40], [150, 134, -10], [240, 70, 30], [216, 118, 70], [284, 132, 20], [250, 158, 50]]
      .map(([x, y, turn]) => `<g transform="rotate(${turn} ${x} ${y})">${oval(x, y, 36, 15, '#6f8f5f')}`
        + `${oval(x + 6, y - 3, 22, 6, '#8fac7c')}</g>`).join('')
    + path('M116 206h168l-22 114H138z', a) + box(106, 194, 188, 30, 6, b) + path('M132 254h136l-4 18H136z', c),
  bench: ({ a, b, c, d }) => [152, 182, 212].map((y) => box(56, y, 288, 20, 5, a)).join('') + box(44, 246, 312, 22, 6, b)
    + [76, 306].map((x) => box(x, 140, 16, 180, 4, d)).join('') + [56, 326].map((x) => box(x, 232, 16, 88, 4, d)).join('')
    + box(236, 176, 68, 68, 12, c),
}

const audio = {
  headphones: ({ a, b, c, d }) => line('M94 244c-20-190 232-190 212 0', d, 22) + line('M108 214c-6-138 190-138 184 0', a, 8)
    + box(66, 212, 62, 104, 28, a) + box(272, 212, 62, 104, 28, a) + box(110, 222, 32, 84, 14, b)
    + box(258, 222, 32, 84, 14, b) + oval(92, 264, 13, 26, c) + oval(308, 264, 13, 26, c),
  speaker: ({ a, b, c, d }) => box(112, 76, 176, 244, 18, a) + box(126, 90, 148, 216, 12, b) + oval(200, 244, 54, 54, d)
    + oval(200, 244, 38, 38, a) + oval(200, 244, 16, 16, c) + oval(200, 140, 28, 28, d) + oval(200, 140, 12, 12, c)
    + oval(146, 106, 4, 4, c),
  turntable: ({ a, b, c, d }) => box(58, 304, 40, 16, 5, d) + box(302, 304, 40, 16, 5, d) + path('M78 150h244l26 120H52z', a)
    + box(48, 266, 304, 42, 10, b) + oval(180, 210, 98, 46, d) + oval(180, 210, 74, 34, '#2a2a2a') + oval(180, 210, 30, 14, c)
    + oval(180, 210, 5, 3, WHITE) + line('M306 172l-10 46-52 14', WHITE, 8) + oval(306, 170, 14, 9, d) + oval(82, 287, 7, 7, c),
  microphone: ({ a, b, c, d }) => box(130, 304, 140, 16, 8, d) + line('M200 304v-44', d, 12)
    + line('M132 184c0 100 136 100 136 0', b, 12) + box(154, 70, 92, 168, 46, a) + box(154, 132, 92, 18, 0, c)
    + [88, 102, 116].map((y) => line(`M172 ${y}h56`, b, 5)).join('') + line('M200 168v36', d, 6),
  radio: ({ a, b, c, d }) => line('M276 146l52-84', d, 6) + oval(330, 60, 7, 7, d) + line('M120 146c0-44 130-44 130 0', b, 12)
    + box(56, 142, 288, 170, 26, a) + box(76, 312, 34, 8, 3, d) + box(290, 312, 34, 8, 3, d) + oval(142, 228, 58, 58, d)
    + [-36, -18, 0, 18, 36].map((y) => line(`M${108 + Math.abs(y) / 2} ${228 + y}h${68 - Math.abs(y)}`, b, 4)).join('')
    + box(224, 172, 96, 38, 8, c) + line('M262 178v26', d, 3) + oval(246, 260, 20, 20, b) + oval(300, 260, 20, 20, b)
    + line('M246 260v-12M300 260l9-9', c, 4),
}

const cover = ({ a, b, d }, inside) => path('M108 88h166l24-18v232l-24 18H108z', b) + path('M274 96l18-13v212l-18 14z', WHITE)
  + box(102, 88, 176, 232, 6, a) + box(102, 88, 20, 232, 4, d) + inside

const books = {
  novel: (p) => cover(p, box(140, 124, 118, 6, 3, p.c) + box(140, 274, 118, 6, 3, p.c) + oval(199, 204, 40, 40, p.c)
    + path('M168 222c10-40 52-40 62 0-18 16-44 16-62 0z', p.b)),
  atlas: (p) => cover(p, oval(199, 200, 58, 58, p.c) + line('M141 200h116M199 142c-40 36-40 80 0 116M199 142c40 36 40 80 0 116', p.b, 5)
    + line('M150 170h98M150 230h98', p.b, 4) + box(150, 282, 98, 8, 4, p.c)),
  cookbook: (p) => cover(p, path('M152 208h94c0 36-18 54-47 54s-47-18-47-54z', p.c) + box(142, 200, 114, 12, 6, p.d)
    + line('M178 184c-10-14 8-18 0-34M204 184c-10-14 8-18 0-34M230 184c-10-14 8-18 0-34', p.c, 5)),
  notebook: (p) => cover(p, box(244, 88, 14, 232, 0, p.d) + box(142, 128, 84, 46, 6, WHITE) + line('M154 146h60M154 160h40', p.b, 4)
    + path('M218 320h18v22l-9-9-9 9z', p.c)),
  calendar: ({ a, b, c, d }) => path('M92 320l34-40h214l-26 40z', d) + box(82, 100, 236, 206, 10, WHITE) + path('M82 150v-40q0-10 10-10h216q10 0 10 10v40z', a)
    + [130, 200, 270].map((x) => line(`M${x} 84v32`, d, 9)).join('')
    + [0, 1, 2, 3].map((row) => [0, 1, 2, 3, 4].map((column) =>
      box(104 + column * 40, 168 + row * 33, 26, 20, 4, row === 2 && column === 3 ? c : (row + column) % 7 === 6 ? b : '#e9e4da'))
      .join('')).join(''),
}

const outdoor = {
  backpack: ({ a, b, c, d }) => line('M168 92c0-40 64-40 64 0', d, 12) + box(104, 90, 192, 230, 54, a) + box(80, 202, 40, 92, 16, b)
    + box(280, 202, 40, 92, 16, b) + path('M106 138c0-66 188-66 188 0v30c-50 26-138 26-188 0z', b)
    + box(134, 216, 132, 84, 18, b) + line('M148 238h104', c, 6) + box(190, 164, 20, 36, 5, c) + oval(200, 260, 12, 12, c),
  tent: ({ a, b, c, d }) => path('M200 92L356 320H44z', a) + path('M200 92L356 320h-84z', b) + path('M200 168l62 152H138z', d)
    + path('M200 168l-14 152h-48z', c) + line('M200 92V66', d, 6) + path('M200 64l34 12-34 12z', c) + line('M44 320l-24 0M356 320h24', d, 5),
  flask: ({ a, b, c, d }) => box(160, 66, 80, 54, 12, d) + box(170, 112, 60, 22, 4, c) + box(146, 128, 108, 192, 26, a)
    + box(220, 140, 18, 166, 9, b) + box(146, 216, 108, 44, 0, c) + path('M182 250l18-26 18 26z', d) + line('M160 82h80', b, 4),
  jacket: ({ a, b, c, d }) => path('M122 106L56 160l20 142 46-6z', b) + path('M278 106l66 54-20 142-46-6z', b)
    + path('M122 104c26-22 130-22 156 0l6 216H116z', a) + path('M156 92c8-26 80-26 88 0l-44 36z', d) + line('M200 128v190', d, 6)
    + box(138, 228, 44, 50, 8, b) + box(218, 228, 44, 50, 8, b) + line('M144 160h40M216 160h40', c, 8) + oval(200, 154, 6, 6, c),
  stove: ({ a, b, c, d }) => path('M150 196c-10-30 18-38 12-72 34 22 24 50 30 58 12-10 10-26 8-36 30 26 28 44 20 58z', '#ef9a3c')
    + path('M170 200c0-20 16-20 16-38 18 18 20 26 12 38z', '#ffd27a') + line('M112 206h176M112 206l-26-18M288 206l26-18', d, 10)
    + box(140, 206, 120, 22, 6, b) + box(150, 226, 100, 94, 22, a) + box(150, 260, 100, 26, 0, c) + line('M250 236h50', d, 9)
    + oval(304, 236, 11, 11, b),
}

const toys = {
  puzzle: ({ a, b, c, d }) => path('M86 92h92c-14 44 58 44 44 0h92v92c-44-14-44 58 0 44v92H86v-92c44 14 44-58 0-44z', a)
    + path('M200 206h114v22c-44 14-44-58 0-44v136H200v-46c-14-4-14-64 0-68z', b) + path('M86 92h92c-8 28 18 38 22 36v78H86v-22z', c)
    + line('M200 126v194M86 206h228', d, 4),
  train: ({ a, b, c, d }) => box(60, 212, 168, 70, 16, a) + box(220, 128, 104, 154, 12, b) + box(240, 150, 64, 52, 8, WHITE)
    + box(206, 116, 132, 20, 8, d) + path('M86 212v-44l-12-24h52l-12 24v44z', d) + box(148, 190, 36, 24, 10, c) + box(48, 276, 296, 12, 5, d)
    + [96, 168].map((x) => oval(x, 296, 26, 24, c) + oval(x, 296, 9, 9, d)).join('') + oval(276, 288, 36, 32, c) + oval(276, 288, 12, 12, d),
  kite: ({ a, b, c, d }) => path('M206 48l92 96-120 150-76-128z', a) + path('M206 48l-28 246-76-128z', b) + path('M206 48l92 96-196 22z', c)
    + line('M206 48l-28 246M102 166l196-22', d, 5) + line('M178 294c-30 14 40 30 10 46s60 12 92 4', d, 5)
    + [[186, 316], [222, 346], [262, 344]].map(([x, y]) => path(`M${x} ${y}l-14-9v18zl14-9v18z`, c)).join(''),
  blocks: ({ a, b, c, d }) => box(66, 212, 108, 108, 12, a) + box(226, 212, 108, 108, 12, b) + box(146, 104, 108, 108, 12, c)
    + path('M120 240l30 56H90z', WHITE) + oval(280, 266, 28, 28, WHITE) + box(176, 134, 48, 48, 8, d) + box(182, 292, 36, 28, 6, d),
  robot: ({ a, b, c, d }) => line('M200 96V70', d, 7) + oval(200, 64, 11, 11, c) + box(130, 94, 140, 98, 24, a) + box(148, 118, 104, 48, 20, d)
    + oval(178, 142, 12, 12, c) + oval(222, 142, 12, 12, c) + box(118, 200, 164, 92, 20, b) + box(156, 220, 88, 44, 10, WHITE)
    + line('M170 242h14l8-12 12 22 8-10h18', a, 5) + line('M118 222c-34 6-38 34-30 52M282 222c34 6 38 34 30 52', a, 16)
    + box(142, 288, 42, 32, 10, d) + box(216, 288, 42, 32, 10, d),
}

const DRAWINGS = { ...kitchen, ...garden, ...audio, ...books, ...outdoor, ...toys }

const scene = ({ ground, glow }, id, width, height) => `<defs><radialGradient id="${id}" cx=".5" cy=".42" r=".75">
<stop offset="0" stop-color="${glow}"/><stop offset="1" stop-color="${ground}"/></radialGradient></defs>
<rect width="${width}" height="${height}" fill="url(#${id})"/>`

/** The picture of a product, as an SVG document. */
export function picture({ noun, line: style }) {
  const colours = LINES[style]
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 400 400">${scene(colours, 'g', 400, 400)}
${oval(200, GROUND + 4, 136, 13, 'rgba(40,30,20,.13)')}${DRAWINGS[noun](colours)}</svg>`
}

/** Some products together on one ground, as an SVG document, in the colours of a line. */
export function still(products, style) {
  const sizes = [[6, 106, 0.8], [190, 20, 1.06], [440, 110, 0.8]]
  const standing = products.map(({ noun, line: own }, place) => {
    const [x, y, size] = sizes[place]
    const shadow = oval(200, GROUND + 4, 140, 12, 'rgba(40,30,20,.16)')
    return `<g transform="translate(${x} ${y}) scale(${size})">${shadow}${DRAWINGS[noun](LINES[own])}</g>`
  })
  const colours = LINES[style]
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 760 460">${scene(colours, 'g', 760, 460)}
${oval(380, 520, 560, 170, 'rgba(255,255,255,.55)')}${oval(624, 104, 70, 70, 'rgba(255,255,255,.5)')}${standing.join('')}</svg>`
}

/** What a picture shows when there is none for it: the shop's mark. */
export const MARK = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="9" fill="#1f3d36"/>
<path d="M16 5l9 12h-5l5 7H7l5-7H7z" fill="#f4efe6"/></svg>`
