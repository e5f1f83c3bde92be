// What the console's pages do by themselves; everything else is a link or a form. Behaviour is asked for by data- attributes.
"use strict";
(() => {
  const root = document.documentElement;
  const zone = root.dataset.zone || Intl.DateTimeFormat().resolvedOptions().timeZone;
  const status = document.getElementById("status");
  const say = (text) => { if (status) { status.textContent = ""; requestAnimationFrame(() => { status.textContent = text; }); } };

  // Times: served in UTC, shown in the viewer's zone. UTC stays in the title.
  const formats = {};
  const styles = { day: { dateStyle: "medium" }, minute: { dateStyle: "medium", timeStyle: "short" }, second: { dateStyle: "medium", timeStyle: "medium" } };
  const format = (style) => {
    if (!formats[style]) {
      try { formats[style] = new Intl.DateTimeFormat(undefined, { ...styles[style], timeZone: zone }); }
      catch { formats[style] = new Intl.DateTimeFormat(undefined, styles[style]); }
    }
    return formats[style];
  };
  const localTimes = (within) => {
    for (const each of within.querySelectorAll("time[data-time]")) {
      const at = new Date(each.dateTime);
      if (!isNaN(at) && styles[each.dataset.time]) each.textContent = format(each.dataset.time).format(at);
    }
  };

  const copy = async (button) => {
    const from = button.dataset.copyFrom && document.querySelector(button.dataset.copyFrom);
    const text = from ? (from.value ?? from.textContent) : button.dataset.copy;
    try { await navigator.clipboard.writeText(text); }
    catch { // no clipboard without TLS, but on this machine: the old way
      const box = document.createElement("textarea");
      box.value = text; document.body.append(box); box.select(); document.execCommand("copy"); box.remove(); button.focus();
    }
    const label = button.querySelector("[data-label]") || button;
    const before = button.dataset.before ?? label.textContent;
    button.dataset.before = before;
    label.textContent = "Copied"; say("Copied");
    setTimeout(() => { label.textContent = before; }, 1500);
  };

  document.addEventListener("click", (event) => {
    const at = event.target instanceof Element ? event.target.closest("[data-copy], [data-copy-from], [data-dialog], [data-close], [data-nav]") : null;
    const side = document.getElementById("side");
    if (side?.classList.contains("open") && !side.contains(event.target) && at?.dataset.nav === undefined) side.classList.remove("open");
    if (!at) return;
    if (at.dataset.copy !== undefined || at.dataset.copyFrom !== undefined) copy(at);
    else if (at.dataset.dialog) document.getElementById(at.dataset.dialog)?.showModal();
    else if (at.dataset.close !== undefined) at.closest("dialog")?.close();
    else if (at.dataset.nav !== undefined) {
      event.preventDefault();
      const opens = !side.classList.contains("open");
      side.classList.toggle("open", opens);
      (opens ? side.querySelector("a") : document.querySelector(".bar [data-nav]"))?.focus();
    }
  });

  // A select or a box that filters sends its form at once.
  document.addEventListener("change", (event) => {
    const at = event.target;
    if (at instanceof Element && at.closest("[data-submits]")) at.closest("form")?.requestSubmit();
  });

  // A form is sent once.
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (event.defaultPrevented || !(form instanceof HTMLFormElement) || form.method !== "post") return;
    setTimeout(() => { for (const each of form.querySelectorAll("button:not([type=button])")) each.disabled = true; });
  });
  window.addEventListener("pageshow", (event) => {
    if (event.persisted) for (const each of document.querySelectorAll("form button:disabled")) each.disabled = false;
  });

  // Keys: / searches, g and a letter goes, ? helps; never while typing, and not where the viewer has turned them off.
  let going = 0;
  const typing = (at) => at instanceof Element && at.closest("input, textarea, select, [contenteditable]");
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") document.getElementById("side")?.classList.remove("open");
    if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target) || document.querySelector("dialog[open]")) return;
    if (event.key === "/") { const box = document.querySelector("[data-search]"); if (box) { event.preventDefault(); box.focus(); } }
    else if (event.key === "?") document.getElementById("keys")?.showModal();
    else if (event.key === "g") going = Date.now();
    else if (Date.now() - going < 1200) { going = 0; document.querySelector(`.menu a[data-key="${CSS.escape(event.key)}"]`)?.click(); }
  });

  // A list that grows by itself keeps its newest rows; older ones are a page away.
  const trim = () => {
    for (const table of document.querySelectorAll("table[data-rows-max]")) {
      const rows = table.querySelectorAll("tbody tr");
      for (let place = Number(table.dataset.rowsMax); place < rows.length; place += 1) rows[place].remove();
    }
  };

  document.addEventListener("htmx:afterSettle", (event) => {
    localTimes(event.detail.elt.parentElement || document);
    event.detail.elt.querySelector("[data-focus]")?.focus();
    trim();
  });
  document.addEventListener("htmx:oobAfterSwap", (event) => localTimes(event.detail.target));
  document.addEventListener("htmx:sendError", () => say("The server cannot be reached. Trying again."));
  localTimes(document);
  document.querySelector("[data-focus]")?.focus();
})();
