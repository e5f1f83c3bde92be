// A file of codes: dropped or chosen, sent as it is, with its progress. The answer is the page, with what became of each row.
"use strict";
(() => {
  const drop = document.querySelector("[data-upload]");
  if (!drop) return;
  drop.hidden = false;
  const bar = drop.querySelector("progress");
  const status = drop.querySelector("[role=status]");
  const token = document.querySelector("input[name=csrf]").value;
  const send = (file) => {
    if (!file) return;
    const request = new XMLHttpRequest();
    request.open("POST", drop.dataset.upload);
    request.setRequestHeader("X-CSRF-Token", token);
    request.setRequestHeader("Content-Type", "text/csv");
    bar.hidden = false; bar.removeAttribute("value");
    status.textContent = `Sending ${file.name} …`;
    request.upload.onprogress = (event) => { if (event.lengthComputable) bar.value = Math.round(event.loaded / event.total * 100); };
    request.upload.onload = () => { bar.removeAttribute("value"); status.textContent = "Loading the codes …"; };
    request.onload = () => {
      const answer = new DOMParser().parseFromString(request.responseText, "text/html").querySelector("main");
      const main = document.querySelector("main");
      if (answer && main) { main.replaceChildren(...answer.childNodes); main.focus(); }
      else status.textContent = "That did not work. Try again.";
    };
    request.onerror = () => { bar.hidden = true; status.textContent = "The server could not be reached. What was loaded stays; the same file may be sent again."; };
    request.send(file);
  };
  drop.querySelector("input").addEventListener("change", (event) => send(event.target.files[0]));
  for (const name of ["dragover", "drop"]) drop.addEventListener(name, (event) => { event.preventDefault(); if (name === "drop") send(event.dataTransfer.files[0]); });
})();
