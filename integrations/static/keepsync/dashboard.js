// The dashboard refreshes by itself. Parts that have not changed are left as they are, and so is what has the focus.

const EVERY_MS = 30_000;

async function refresh() {
  if (document.hidden) return;
  const seen = document.getElementById("dashboard-seen");
  try {
    const answer = await fetch(location.href, { cache: "no-store", redirect: "error" });
    if (!answer.ok) throw new Error(answer.status);
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    document.querySelectorAll("[data-live]").forEach((part) => replace(part, page.getElementById(part.id)));
  } catch {
    // Nobody takes old figures for new ones.
    seen.dataset.stale ||= seen.textContent = `${seen.textContent} It could not be refreshed since: reload the page.`;
  }
}

function replace(part, fresh) {
  if (!fresh || part.innerHTML === fresh.innerHTML || part.contains(document.activeElement)) return;
  part.replaceChildren(...fresh.childNodes);
  delete part.dataset.stale;
}

setInterval(refresh, EVERY_MS);
document.addEventListener("visibilitychange", refresh);
