// Keys of the review queue. An element with `data-key` is pressed by that key; the page of a pair has fields and a merge
// besides. What is typed into a text, and keys with Ctrl, Alt or Meta, are left alone.

const page = document.querySelector("[data-review]");
const help = document.querySelector("[data-keys]");
const status = document.querySelector("[data-status]");
const merge = document.querySelector("[data-merge]");
const rows = [...document.querySelectorAll("[data-row]")];
const TEXTS = "textarea, select, [contenteditable], input:not([type=radio], [type=checkbox], [type=submit], [type=button])";
let isSent = false;

function say(text) {
  if (status) status.textContent = text;
}

function findRow() {
  return rows.find((row) => row.contains(document.activeElement));
}

function goTo(row) {
  (row.querySelector("input:checked:enabled") ?? row.querySelector("input:enabled"))?.focus();
  row.scrollIntoView({ block: "nearest" });
}

function step(distance) {
  const at = rows.indexOf(findRow());
  const next = at < 0 ? (distance > 0 ? 0 : rows.length - 1) : Math.min(Math.max(at + distance, 0), rows.length - 1);
  if (rows[next]) goTo(rows[next]);
}

function choose(side) {
  const row = findRow() ?? rows[0];
  const input = row?.querySelector(`[data-side="${side}"]:enabled`);
  if (!input) return;
  input.checked = true;
  input.focus();
  say(`${row.dataset.row}: ${input.nextElementSibling.textContent.trim()}`);
}

function arm(isArmed) {
  merge.classList.toggle("is-armed", isArmed);
  say(isArmed ? `${merge.dataset.question} Press m again, or Enter. Escape leaves it.` : "");
}

function pressMerge() {
  if (!merge || merge.disabled) return;
  if (merge.classList.contains("is-armed")) return merge.click();
  merge.focus();
  arm(true);
}

function press(key) {
  const target = document.querySelector(`[data-key="${key}"]:not(:disabled)`);
  target?.click();
  return target;
}

const KEYS = {
  j: () => step(1),
  k: () => step(-1),
  ArrowDown: () => findRow() && step(1),
  ArrowUp: () => findRow() && step(-1),
  1: () => choose(1),
  2: () => choose(2),
  3: () => choose(3),
  m: pressMerge,
  "?": () => help.showModal(),
};

function onKey(event) {
  if (event.ctrlKey || event.altKey || event.metaKey || event.isComposing || isSent) return;
  if (event.target.closest?.(TEXTS) || help?.open) return;
  // Enter in a field would press a button of the form.
  if (event.key === "Enter" && event.target.closest("[data-row]")) return event.preventDefault();
  const isOfPage = page && Object.hasOwn(KEYS, event.key);
  if (isOfPage && !(event.key.startsWith("Arrow") && !findRow())) {
    event.preventDefault();
    event.stopPropagation();
    if (!event.repeat || "jk".includes(event.key) || event.key.startsWith("Arrow")) KEYS[event.key]();
  } else if (!event.repeat && /^[a-z]$/.test(event.key) && press(event.key)) {
    event.preventDefault();
    event.stopPropagation();
  }
}

document.addEventListener("keydown", onKey, true);
document.querySelector("[data-help]")?.addEventListener("click", () => help.showModal());
merge?.addEventListener("blur", () => arm(false));
merge?.addEventListener("keydown", (event) => event.key === "Escape" && merge.blur());
// One press, one decision.
document.addEventListener("submit", (event) => {
  if (isSent) event.preventDefault();
  if (event.target.method !== "dialog") isSent = true;
});
window.addEventListener("pageshow", () => {
  isSent = false;
});
