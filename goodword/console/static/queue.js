// The review queue by keyboard: j and k move, x ticks, a approves, d declines. Each does what a click does.
"use strict";
(() => {
  const form = document.querySelector("[data-queue]");
  if (!form) return;
  const items = [...form.querySelectorAll("[data-item]")];
  let at = -1;
  const go = (to) => { at = Math.min(Math.max(to, 0), items.length - 1); items[at].focus(); items[at].scrollIntoView({ block: "nearest" }); };
  const decide = (value) => {
    const note = form.elements.note;
    if (!note.value.trim()) { note.focus(); return; }
    const box = at >= 0 && items[at].querySelector("input[type=checkbox]");
    if (box && !form.querySelector("input[name=item]:checked")) box.checked = true;
    form.querySelector(`button[value=${value}]`)?.click();
  };
  const keys = {
    j: () => go(at + 1), k: () => go(at - 1),
    x: () => { const box = at >= 0 && items[at].querySelector("input[type=checkbox]"); if (box) box.checked = !box.checked; },
    a: () => decide("approved"), d: () => decide("declined"),
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    if (event.target instanceof Element && event.target.closest("input:not([type=checkbox]), textarea, select")) return;
    if (keys[event.key]) { event.preventDefault(); keys[event.key](); }
  });
})();
