// Comfort for viewers of the console: local times, a pause of live parts, copying. Every page works
// without it.
(() => {
  "use strict";

  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone || "local time";
  const setting = (name) => { try { return localStorage.getItem(name) === "yes"; } catch { return false; } };
  const keep = (name, value) => { try { localStorage.setItem(name, value ? "yes" : "no"); } catch { /* not kept: storage is off */ } };

  let showsLocal = setting("winchester.local");
  let paused = setting("winchester.paused");

  // ---------- times: UTC from the server, the viewer's time on hover, beside it, or instead

  const two = (number) => String(number).padStart(2, "0");
  const localText = (date) =>
    `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ` +
    `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;

  const shortened = (text, other) => text.slice(0, 10) === other.slice(0, 10) ? text.slice(11) : text;

  function addLocalTime(element) {
    const date = new Date(element.dateTime);
    if (Number.isNaN(date.getTime()) || element.dateTime.startsWith("P")) return;
    const utc = element.dataset.utc ?? element.textContent;
    if (date.getTimezoneOffset() === 0) return;
    element.dataset.utc = utc;
    element.title = `${element.dateTime}\n${localText(date)} (${zone})`;
    if ("relative" in element.dataset) return;
    element.textContent = showsLocal ? localText(date) : utc;
    if (!("beside" in element.dataset)) return;
    const note = document.createElement("span");
    note.className = "local";
    note.textContent = showsLocal ? ` (${utc} UTC)` : ` (${shortened(localText(date), utc)} local)`;
    element.append(note);
  }

  function showTimes(root) {
    root.querySelectorAll("time[datetime]").forEach(addLocalTime);
  }

  // ---------- live parts

  const hasFocus = (part) => part.contains(document.activeElement) || document.activeElement?.closest("[data-live-with]");
  const isHeld = (part) => paused || document.hidden || "gone" in part.dataset || hasFocus(part);

  // A part keeps its open details, by their summaries, and its scrolled boxes, by their order.
  const scrollers = (part) => [...part.querySelectorAll(".timeline-scroll, .table, pre")];
  const summary = (details) => details.querySelector("summary").textContent;
  const views = new Map();

  function keepView(part) {
    const open = [...part.querySelectorAll("details[open]")].map(summary);
    views.set(part.id, { open, scrolled: scrollers(part).map((box) => [box.scrollLeft, box.scrollTop]) });
  }

  function restoreView(part) {
    const { open, scrolled } = views.get(part.id) ?? { open: [], scrolled: [] };
    part.querySelectorAll("details").forEach((each) => { each.open = open.includes(summary(each)); });
    scrollers(part).forEach((box, index) => box.scrollTo(...(scrolled[index] ?? [0, 0])));
  }

  function showStale(part, text) {
    const known = part.previousElementSibling;
    const note = known?.classList.contains("stale") ? known : document.createElement("p");
    Object.assign(note, { className: "notice state-warning stale", role: "status" });
    if (note.textContent !== text) note.textContent = text;
    if (note !== known) part.before(note);
  }

  function noteFailure(event) {
    const part = event.target;
    if (!("live" in part.dataset)) return;
    const isGone = event.detail.xhr?.status === 404;
    if (isGone) part.dataset.gone = "";
    showStale(part, isGone
      ? "It was deleted while this page was open, and this is how it was at the end. Reload the page for the reason."
      : "The console does not answer: this page shows an earlier state.");
  }

  ["htmx:responseError", "htmx:sendError", "htmx:timeout"].forEach((name) => document.addEventListener(name, noteFailure));

  document.addEventListener("htmx:beforeRequest", (event) => {
    if (!("live" in event.target.dataset) || !isHeld(event.target)) return;
    event.preventDefault();
    document.querySelectorAll("[data-pause]").forEach(showPause);
  });
  document.addEventListener("htmx:beforeSwap", (event) => {
    if (!("live" in event.target.dataset)) return;
    if (isHeld(event.target)) event.detail.shouldSwap = false; else keepView(event.target);
  });
  document.addEventListener("htmx:afterSwap", ({ target }) => {
    document.querySelectorAll(".stale").forEach((note) => note.remove());
    if ("live" in target.dataset) restoreView(target);
    prepare(target.parentElement ?? document);
  });

  // ---------- buttons

  function showPause(button) {
    const parts = [...document.querySelectorAll("[data-live]")];
    button.hidden = !parts.length;
    button.title = parts.some(hasFocus) ? "There is no update while the focus is in the part that is updated." : "";
    button.textContent = paused ? "Resume updates" : "Pause updates";
  }

  function showLocalToggle(button) {
    button.hidden = false;
    button.setAttribute("aria-pressed", String(showsLocal));
  }

  async function copy(button) {
    const text = button.closest("figure").querySelector("pre").textContent;
    const isCopied = await navigator.clipboard.writeText(text).then(() => true, () => false);
    button.textContent = isCopied ? "Copied" : "Not allowed";
    setTimeout(() => { button.textContent = "Copy"; }, 2000);
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    if ("pause" in button.dataset) {
      paused = !paused;
      keep("winchester.paused", paused);
      showPause(button);
    } else if ("localToggle" in button.dataset) {
      showsLocal = !showsLocal;
      keep("winchester.local", showsLocal);
      prepare(document);
    } else if ("copy" in button.dataset) {
      copy(button);
    }
  });

  // ---------- start, and after each exchange of a part

  function prepare(root) {
    showTimes(root);
    root.querySelectorAll("[data-copy]").forEach((button) => { button.hidden = !navigator.clipboard; });
    document.querySelectorAll("[data-pause]").forEach(showPause);
    document.querySelectorAll("[data-local-toggle]").forEach(showLocalToggle);
    document.querySelectorAll("[data-zone]").forEach((element) => { element.textContent = zone; });
    document.querySelectorAll("[data-zone-note]").forEach((element) => { element.hidden = false; });
  }

  prepare(document);
})();
