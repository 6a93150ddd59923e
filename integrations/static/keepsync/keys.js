// Keys of a page. An element with `data-key` is pressed by that key; a page adds more of its own to `keys`.
// What is typed into a text, and keys with Ctrl, Alt or Meta, are left alone.

const TEXTS = "textarea, select, [contenteditable], input:not([type=radio], [type=checkbox], [type=submit], [type=button])";

/** Key → what it does; it may return false where it does not apply. */
export const keys = new Map();

/** Keys that do the same again while they are held down. */
export const repeated = new Set();

let isSent = false;

function press(key) {
  const target = document.querySelector(`[data-key="${key}"]:not(:disabled)`);
  // Enter presses what has the focus, where anything has.
  if (!target || (key === "Enter" && document.activeElement !== document.body)) return false;
  target.click();
}

function onKey(event) {
  if (event.ctrlKey || event.altKey || event.metaKey || event.isComposing || isSent) return;
  if (event.target.closest?.(TEXTS) || document.querySelector("dialog[open]")) return;
  if (event.repeat && !repeated.has(event.key)) return;
  const act = keys.get(event.key) ?? (/^([a-z]|Enter)$/.test(event.key) ? press : () => false);
  if (act(event.key) === false) return;
  event.preventDefault();
  event.stopPropagation();
}

document.addEventListener("keydown", onKey, true);
// One press, one request.
document.addEventListener("submit", (event) => {
  if (isSent) event.preventDefault();
  if (event.target.method !== "dialog") isSent = true;
});
window.addEventListener("pageshow", () => {
  isSent = false;
});
