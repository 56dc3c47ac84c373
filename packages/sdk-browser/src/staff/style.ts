// How the bar and the panel look. Their styles reach nothing of the page, and the page's nothing of them.

export const STYLE = `
:host {
  all: initial; position: fixed; inset: 0; z-index: 2147483647; pointer-events: none;
  font: 13px/1.5 ui-sans-serif, system-ui, -apple-system, "Segoe UI", Roboto, sans-serif !important;
  --ink: #1b1d23; --quiet: #5c6270; --ground: #fff; --raised: #f5f6f8; --line: #dfe2e8; --mark: #5b3fd6;
  --mark-soft: #efecfd; --yes: #0d7a4a; --no: #b3261e; --unknown: #8a5a00; --shadow: 0 8px 32px rgb(18 20 29 / .18), 0 1px 3px rgb(18 20 29 / .16);
  color: var(--ink) !important; color-scheme: light;
}
@media (prefers-color-scheme: dark) {
  :host {
    --ink: #eceef3; --quiet: #a3a9b8; --ground: #1a1c22; --raised: #24272f; --line: #363a45; --mark: #a794ff;
    --mark-soft: #2d2850; --yes: #5fd39c; --no: #ff9c93; --unknown: #f0c060; --shadow: 0 8px 32px rgb(0 0 0 / .6), 0 0 0 1px #363a45;
    color-scheme: dark;
  }
}
@media print { :host { display: none } }
*, ::before, ::after { box-sizing: border-box }
p, h2, h3, h4, ol, ul, dl, dd { margin: 0; padding: 0 }
h2, h3, h4 { font-size: inherit; font-weight: 650 }
ol, ul { list-style: none }
code { font: 12px/1.4 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; overflow-wrap: anywhere }
[hidden] { display: none !important }
.hidden { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap }
.quiet { color: var(--quiet) }
.icon { width: 16px; height: 16px; flex: none; fill: none; stroke: currentColor; stroke-width: 1.75; stroke-linecap: round; stroke-linejoin: round }
.icon-tell { stroke-width: 4 }

button, select {
  font: inherit; font-weight: 550; color: inherit; background: var(--ground); border: 1px solid var(--line); border-radius: 8px;
  min-height: 32px; padding: 0 12px; cursor: pointer; display: inline-flex; align-items: center; gap: 6px; white-space: nowrap;
}
select { padding: 0 8px; max-width: 136px; text-overflow: ellipsis }
button:hover, select:hover { background: var(--raised) }
button.main { background: var(--mark); border-color: var(--mark); color: var(--ground) }
button.main:hover { filter: brightness(1.1) }
button.plain { border-color: transparent; background: none; padding: 0; width: 32px; justify-content: center }
button.plain:hover { background: var(--raised) }
button.small { min-height: 28px; padding: 0 10px; font-size: 12px }
:focus-visible { outline: 2px solid var(--mark); outline-offset: 2px }
summary:focus-visible { outline-offset: -2px; border-radius: 6px }

.bar {
  position: absolute; inset-block-end: 16px; inset-inline: 16px; width: fit-content; max-width: min(1080px, calc(100% - 32px));
  margin-inline: auto; pointer-events: auto; background: var(--ground); border-radius: 14px; box-shadow: var(--shadow);
}
.bar.top { inset-block: 16px auto }
.bar.beside { inset-inline-end: 448px; max-width: calc(100% - 464px) }
.bar.small { margin-inline: auto 0; border-radius: 50% }
.bar.small.beside { margin-inline: auto 0 }
.whole { display: flex; align-items: center; gap: 8px 20px; padding: 8px 8px 8px 16px; flex-wrap: wrap }
.said { flex: 1 1 220px; min-width: 0 }
.said .quiet { font-size: 12px }
.mark { display: inline-block; width: 9px; height: 9px; border-radius: 50%; background: var(--mark); box-shadow: 0 0 0 3px var(--mark-soft); margin-inline-end: 10px }
.more { width: 40px !important; min-height: 40px; border-radius: 50% }
.more .mark { margin: 0; width: 12px; height: 12px }
.does { display: flex; align-items: center; gap: 8px; flex-wrap: wrap }
.does .plain + .plain { margin-inline-start: -6px }
.chosen { display: inline-flex; align-items: center; gap: 8px; color: var(--quiet) }
.chosen select, .chosen b { color: var(--ink) }
.chosen i { font-style: normal; font-size: 11px; border: 1px solid var(--line); border-radius: 99px; padding: 1px 6px; margin-inline-start: 4px }

.panel {
  position: absolute; inset-block: 0; inset-inline-end: 0; width: 432px; max-width: 100%; pointer-events: auto;
  background: var(--ground); box-shadow: var(--shadow); display: flex; flex-direction: column;
}
.panel header { display: flex; gap: 4px; padding: 14px 12px 12px 20px; border-block-end: 1px solid var(--line) }
.panel header div { flex: 1 }
.panel h2 { font-size: 15px; line-height: 1.35 }
.body { overflow-y: auto; overscroll-behavior: contain; padding: 16px 20px 24px; display: grid; gap: 12px; align-content: start }
.body > h3 { margin-block-start: 12px; font-size: 14px }
.card { border: 1px solid var(--line); border-radius: 12px; padding: 14px 16px; display: grid; gap: 8px; justify-items: start }
.card > * { max-width: 100%; min-width: 0; overflow-wrap: anywhere }
.card:hover { border-color: var(--mark) }
.card > details, .card > .head, .became { width: 100% }
.head { display: flex; align-items: start; justify-content: space-between; gap: 12px }
.head h3 { font-size: 14px; overflow-wrap: anywhere }
.badge { font-size: 11px; font-weight: 650; letter-spacing: .02em; padding: 2px 8px; border-radius: 99px; background: var(--raised); color: var(--quiet); white-space: nowrap; text-transform: capitalize }
.badge[data-outcome=shown] { background: var(--mark-soft); color: var(--mark) }
.badge[data-outcome=broken] { color: var(--no) }
.shown code { font-size: 13px; font-weight: 600 }
h4 { margin-block-start: 4px; font-size: 12px; color: var(--quiet) }
details { border-radius: 6px }
summary { cursor: pointer; padding: 4px 0; font-weight: 550 }
.card > details { border-block-start: 1px solid var(--line); border-radius: 0; padding-block-start: 4px }
.card > details > summary { display: grid; grid-template-columns: 16px 1fr 12px; gap: 0 8px; font-weight: 400; list-style: none }
.card > details > summary::after {
  content: ""; grid-area: 1 / 3; width: 6px; height: 6px; margin: 5px 3px; border: solid var(--quiet); border-width: 0 1.75px 1.75px 0; transform: rotate(45deg);
}
.card > details[open] > summary::after { transform: translateY(3px) rotate(225deg) }
.card > details > summary::-webkit-details-marker { display: none }
.card > details > summary > .icon { margin-block-start: 2px; color: var(--quiet) }
.card > details > summary > .icon-yes { color: var(--yes) }
.card > details > summary > .icon-no { color: var(--no) }
.card > details > summary > .name { overflow-wrap: anywhere }
.card > details > summary > .name > :first-child { font-weight: 600; margin-inline-end: 6px }
.why { grid-column: 2 / 4; color: var(--quiet); overflow-wrap: anywhere }
.card > details .chosen { margin-block: 4px 8px; margin-inline-start: 24px }
.gates { display: grid; gap: 6px; padding-block: 6px 8px }
.card .gates { padding-inline-start: 24px }
.line { display: flex; gap: 8px; overflow-wrap: anywhere; min-width: 0 }
.line > span:last-child { min-width: 0 }
.truth { flex: none; color: var(--quiet); display: inline-flex; height: 20px; align-items: center; position: relative }
.truth.true { color: var(--yes) } .truth.false { color: var(--no) } .truth.withheld { color: var(--unknown) }
.truth .icon { width: 14px; height: 14px }
.stage { color: var(--quiet); margin-inline-end: 6px }
.tree, .tree ul { display: grid; gap: 4px; margin-block-start: 4px; padding-inline-start: 10px; border-inline-start: 2px solid var(--line); margin-inline-start: 6px }
dl { display: grid; gap: 2px; padding-block: 4px }
dl div { display: grid; grid-template-columns: 160px 1fr; gap: 12px }
dt { color: var(--quiet); font: 12px/1.6 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; overflow-wrap: anywhere }
dd { overflow-wrap: anywhere }
.frame { position: absolute; border: 2px solid var(--mark); border-radius: 4px; background: color-mix(in srgb, var(--mark) 12%, transparent); pointer-events: none }

@media (max-width: 900px) {
  .bar.beside { inset-inline-end: 16px; max-width: calc(100% - 32px) }
}
@media (max-width: 640px) {
  .bar, .bar.beside { inset-inline: 8px; inset-block-end: 8px; max-width: calc(100% - 16px) }
  .bar.top { inset-block: 8px auto }
  .whole { padding: 10px 10px 10px 14px }
  .does { flex: 1 }
  .does .chosen { flex: 1 1 100%; justify-content: space-between }
  .does .chosen select { flex: 0 1 60%; max-width: none }
  .does > button:not(.plain) { flex: 1; justify-content: center }
  .panel { inset-block: auto 0; width: 100%; height: 82%; border-radius: 16px 16px 0 0 }
  .bar.beside:not(.small) { display: none }
  dl div { grid-template-columns: 120px 1fr }
}
@media (prefers-reduced-motion: no-preference) {
  .panel:not([hidden]) { animation: in .18s ease-out }
  @keyframes in { from { transform: translateX(24px); opacity: 0 } }
}
`
