// How the banner looks. Colours are the system's unless the page sets its own, so that light, dark and forced colours
// come out right; sizes follow the size of text that the visitor has set, whatever the page makes of `rem`.

export const STYLE = `
:host { all: initial !important; color-scheme: inherit !important }
section, dialog {
  --text: var(--concierge-text, CanvasText);
  --surface: var(--concierge-surface, Canvas);
  --accent: var(--concierge-accent, var(--text));
  --radius: var(--concierge-radius, .5em);
  --line: GrayText;
  box-sizing: border-box; margin: auto; padding: 1.25em; overflow: auto;
  border: 1px solid var(--line); border-radius: var(--radius);
  color: var(--text); background: var(--surface);
  font-family: var(--concierge-font, var(--page-font)); line-height: 1.5; text-align: start;
}
section {
  position: fixed; z-index: 2147483647; inset: auto 1em 1em; max-inline-size: 44em; max-block-size: calc(100% - 2em);
  box-shadow: 0 .25em 2em #0004;
}
section[hidden] { display: none }
dialog { inline-size: calc(100% - 2em); max-inline-size: 36em; max-block-size: calc(100% - 2em) }
dialog::backdrop { background: #0009 }
h2 { margin: 0 0 .25em; font-size: 1.125em; line-height: 1.3; overflow-wrap: anywhere; hyphens: auto }
p { margin: 0 }
a { color: inherit }
a, button, input { border-radius: var(--radius) }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px }
h2:focus { outline: none }
.buttons { display: flex; flex-wrap: wrap; gap: .5em; margin-block-start: 1em }
button {
  box-sizing: border-box; flex: 1 1 9em; min-block-size: 44px; padding: .5em; margin: 0;
  border: 1px solid var(--accent); color: var(--surface); background: var(--accent); font: inherit; cursor: pointer;
}
button.quiet { color: var(--text); background: none; border-color: var(--line) }
button.close { flex: none; inline-size: 44px; padding: 0; margin: -.5em; border: 0; font-size: 1.25em }
.head { display: flex; justify-content: space-between; align-items: center; gap: 1em; margin-block-end: .5em }
.head h2 { margin: 0 }
ul { margin: 1em 0 0; padding: 0; list-style: none }
li { display: flex; gap: 1em; align-items: start; padding-block: .75em; border-block-start: 1px solid var(--line) }
li div { flex: 1 }
label { font-weight: 600 }
input {
  appearance: none; box-sizing: border-box; flex: none; inline-size: 3em; block-size: 1.75em; margin: 0; padding: .25em;
  border: 2px solid var(--text); border-radius: 1em; font: inherit; cursor: pointer;
}
input::before {
  content: ''; display: block; block-size: 100%; aspect-ratio: 1; border-radius: 50%; background: var(--text);
}
input:checked { background: var(--accent); border-color: var(--accent) }
input:checked::before { margin-inline-start: auto; background: var(--surface) }
input:disabled { opacity: .5; cursor: default }
@media (forced-colors: active) { input { appearance: auto } input::before { content: none } }
@media print { :host { display: none !important } }
`
