// The page of a pair by keyboard: from field to field, which value survives, and merging in two presses.

import { keys, repeated } from "../keepsync/keys.js";

const help = document.querySelector("[data-keys]");
const status = document.querySelector("[data-status]");
const merge = document.querySelector("[data-merge]");
const rows = [...document.querySelectorAll("[data-row]")];

function findRow() {
  return rows.find((row) => row.contains(document.activeElement));
}

function step(distance) {
  const at = rows.indexOf(findRow());
  const first = distance > 0 ? 0 : rows.length - 1;
  const row = rows[at < 0 ? first : Math.min(Math.max(at + distance, 0), rows.length - 1)];
  (row?.querySelector("input:checked:enabled") ?? row?.querySelector("input:enabled"))?.focus();
}

function explain(row) {
  const why = row.querySelector("[data-why]");
  // Whoever chooses otherwise is the reason.
  why.textContent = row.querySelector("input:checked").defaultChecked ? why.dataset.why : "Chosen by hand";
}

function choose(side) {
  const row = findRow() ?? rows[0];
  const input = row?.querySelector(`[data-side="${side}"]:enabled`);
  if (!input) return;
  input.checked = true;
  input.focus();
  explain(row);
  status.textContent = `${row.dataset.row}: ${input.nextElementSibling.textContent.trim()}`;
}

function arm(isArmed) {
  merge.classList.toggle("is-armed", isArmed);
  status.textContent = isArmed ? `${merge.dataset.question} Press m again, or Enter. Escape leaves it.` : "";
}

function pressMerge() {
  if (!merge || merge.disabled) return;
  if (merge.classList.contains("is-armed")) return merge.click();
  merge.focus();
  arm(true);
}

keys.set("j", () => step(1));
keys.set("k", () => step(-1));
keys.set("ArrowDown", () => (findRow() ? step(1) : false));
keys.set("ArrowUp", () => (findRow() ? step(-1) : false));
for (const side of "123") keys.set(side, choose);
keys.set("m", pressMerge);
// In a field it would press the form's first button.
keys.set("Enter", () => (findRow() ? undefined : false));
keys.set("Escape", () => (document.activeElement === merge ? merge.blur() : false));
keys.set("?", () => help.showModal());
for (const key of ["j", "k", "ArrowDown", "ArrowUp"]) repeated.add(key);

document.querySelector("[data-help]")?.addEventListener("click", () => help.showModal());
document.addEventListener("change", (event) => {
  const row = event.target.closest("[data-row]");
  if (row) explain(row);
});
merge?.addEventListener("blur", () => arm(false));
