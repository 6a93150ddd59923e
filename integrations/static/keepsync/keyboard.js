// What unfold opens and closes by elements that only a mouse reaches becomes a button for the keyboard and for screen
// readers. Icons are letters of a font: they are not read out.

const REACHED = "a[href], button, input, select, textarea, summary";
const ICON = ".material-symbols-outlined";
// What a button that is only an icon does, by what it calls.
const NAMES = {
  sidebarToggle: "Open or close the menu",
  openUserLinks: "Your account, the theme, and logging out",
  filterOpen: "Close the filters",
  filterModalOpen: "Close the filters",
  actionDropdownOpen: "More actions",
  openRelatedWidgetWrapper: "More about the chosen one",
};

function makeButton(element) {
  if (element.matches(REACHED)) return;
  element.tabIndex = 0;
  element.setAttribute("role", "button");
  element.addEventListener("keydown", (event) => {
    if (event.target !== element || !["Enter", " "].includes(event.key)) return;
    event.preventDefault();
    element.click();
  });
}

function readText(element) {
  const copy = element.cloneNode(true);
  copy.querySelectorAll(ICON).forEach((icon) => icon.remove());
  return element.matches(ICON) ? "" : copy.textContent.trim();
}

function nameButton(element) {
  if (element.ariaLabel || element.title || readText(element)) return;
  const call = Object.keys(NAMES).find((name) => element.getAttribute("x-on:click")?.includes(name));
  if (call) element.ariaLabel = NAMES[call];
}

function hideIcon(icon) {
  const owner = icon.closest("a, button, [role=button]") ?? icon.parentElement;
  const isName = !owner.ariaLabel && !owner.title && !readText(owner);
  if (icon !== owner && !isName) icon.ariaHidden = "true";
}

function addSkipLink(content) {
  if (!content) return;
  content.setAttribute("role", "main");
  const link = Object.assign(document.createElement("a"), { href: "#content", className: "skip" });
  link.textContent = "Skip to the content";
  document.body.prepend(link);
}

document.addEventListener("DOMContentLoaded", () => {
  const pressed = document.querySelectorAll("[x-on\\:click]");
  pressed.forEach(makeButton);
  pressed.forEach(nameButton);
  document.querySelectorAll(ICON).forEach(hideIcon);
  addSkipLink(document.getElementById("content"));
});

// A field whose values are searched for is drawn anew, without the name that its label gives it.
function nameDrawn(field) {
  const name = field.labels[0]?.textContent.trim() || field.ariaLabel || field.name;
  const drawn = field.parentElement.querySelectorAll(".select2-container :is([role=combobox], [role=textbox])");
  drawn.forEach((each) => (each.ariaLabel = name));
}

// After all others that wait for the same moment: they draw.
window.addEventListener("load", () =>
  setTimeout(() => document.querySelectorAll("select.select2-hidden-accessible").forEach(nameDrawn)),
);

// Menus close by a click beside them.
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") document.body.click();
});

// Django's pickers add icons with a text once the page has loaded, which only an image may have.
function namePickers() {
  document.querySelectorAll("span.help-tooltip[aria-label]").forEach((icon) => icon.setAttribute("role", "img"));
}

window.addEventListener("load", () => setTimeout(namePickers));

// An instant is typed into two fields, and the label belongs to neither.
function nameHalf(half) {
  if (half.labels.length) return;
  const label = document.querySelector(`label[for="${half.id.replace(/_\d$/, "")}"]`);
  half.ariaLabel = [label?.textContent.trim(), half.placeholder].filter(Boolean).join(", ");
}

document.addEventListener("DOMContentLoaded", () => {
  document.querySelectorAll(".datetime :is(.vDateField, .vTimeField)").forEach(nameHalf);
});
