// A file of codes: dropped or chosen, sent as it is, with its progress. The answer is the page, with what became of each row; it takes the
// place of this one, so whatever is asked of the page is asked of the document.
"use strict";
(() => {
  const drop = () => document.querySelector("[data-upload]");
  const show = () => { const here = drop(); if (here) here.hidden = false; };
  const send = (file) => {
    const here = drop();
    if (!file || !here) return;
    const bar = here.querySelector("progress");
    const status = here.querySelector("[role=status]");
    const request = new XMLHttpRequest();
    request.open("POST", here.dataset.upload);
    request.setRequestHeader("X-CSRF-Token", document.querySelector("input[name=csrf]").value);
    request.setRequestHeader("Content-Type", "text/csv");
    bar.hidden = false; bar.removeAttribute("value");
    status.textContent = `Sending ${file.name} …`;
    request.upload.onprogress = (event) => { if (event.lengthComputable) bar.value = Math.round(event.loaded / event.total * 100); };
    request.upload.onload = () => { bar.removeAttribute("value"); status.textContent = "Loading the codes …"; };
    request.onload = () => {
      const answer = new DOMParser().parseFromString(request.responseText, "text/html").querySelector("main");
      const main = document.querySelector("main");
      if (answer && main) { main.replaceChildren(...answer.childNodes); show(); main.focus(); }
      else status.textContent = "That did not work. Try again.";
    };
    request.onerror = () => { bar.hidden = true; status.textContent = "The server could not be reached. What was loaded stays; the same file may be sent again."; };
    request.send(file);
  };
  document.addEventListener("change", (event) => { if (event.target.closest("[data-upload]")) send(event.target.files[0]); });
  for (const name of ["dragover", "drop"]) {
    document.addEventListener(name, (event) => {
      if (!event.target.closest("[data-upload]")) return;
      event.preventDefault();
      if (name === "drop") send(event.dataTransfer.files[0]);
    });
  }
  show();
})();
