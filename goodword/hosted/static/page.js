// Copying, and the phone's own share sheet. Everything else on the page works without this file.
(() => {
  const form = document.querySelector("form[data-share]");
  if (!form) return;
  const link = document.getElementById("link");
  const status = document.getElementById("status");
  const copy = document.querySelector("[data-copy]");
  const share = document.querySelector("[data-native]");

  const tell = (channel) => {
    const said = new URLSearchParams(new FormData(form));
    said.set("channel", channel);
    fetch(form.action, { method: "POST", body: said, keepalive: true, credentials: "omit" }).catch(() => {});
  };
  const copyLink = async () => {
    link.select();
    try {
      await navigator.clipboard.writeText(link.value);
    } catch {
      document.execCommand("copy");
    }
    status.textContent = copy.dataset.copied;
    tell("COPY");
  };

  copy.hidden = false;
  copy.addEventListener("click", copyLink);
  link.addEventListener("focus", () => link.select());
  if (navigator.share) {
    share.hidden = false;
    share.addEventListener("click", () => {
      navigator.share({ title: share.dataset.title, text: form.elements.message.value, url: link.value }).catch(() => {});
      tell("NATIVE");
    });
  }
})();
