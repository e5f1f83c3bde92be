/* goodword.js: <script async src="https://HOST/goodword.js" data-key="WRITE_KEY"></script>   Options: data-consent="required",
   data-page="off", data-host="https://HOST", data-domain="example.com". Keeps two first-party values, nothing else: a random id of this
   browser and the id of the share link's click. Speaks to its own host only. */
(function (window, document) {
  "use strict";
  var script = document.currentScript || document.querySelector("script[data-key][src*='goodword.js']");
  var before = window.goodword;
  if (!script || (before && before.version)) return;

  var said = script.dataset;
  var host = (said.host || new URL(script.src, location.href).origin).replace(/\/$/, "");
  var YEAR_S = 31536000, KEPT_MAX = 100, WAITS_MS = [1000, 5000, 30000, 120000];
  var memory = {}, queue = [], sending = false, failures = 0, timer = 0;
  var allowed = said.consent !== "required" || stored("gw_ok") === "1";

  function stored(name) {
    try {
      var value = localStorage.getItem(name);
      if (value) return value;
    } catch (blocked) {}
    var found = document.cookie.match("(?:^|; )" + name + "=([^;]*)");
    return found ? decodeURIComponent(found[1]) : "";
  }

  function cookie(name, value, age) {
    document.cookie = name + "=" + encodeURIComponent(value) + "; Max-Age=" + age + "; Path=/; SameSite=Lax" +
      (said.domain ? "; Domain=" + said.domain : "") + (location.protocol === "https:" ? "; Secure" : "");
  }

  /* With consent in the browser, without it in this page's memory alone. */
  function keep(name, value) {
    memory[name] = value;
    if (!allowed) return;
    try {
      if (value) localStorage.setItem(name, value); else localStorage.removeItem(name);
    } catch (blocked) {}
    if (name !== "gw_queue") cookie(name, value, value ? YEAR_S : 0);
  }

  function kept(name) {
    return memory[name] || (allowed ? stored(name) : "");
  }

  function random() {
    if (window.crypto && crypto.randomUUID) return crypto.randomUUID();
    return "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx".replace(/x/g, function () { return (Math.random() * 16 | 0).toString(16); });
  }

  function anonymousId() {
    if (!kept("gw_id")) keep("gw_id", random());
    return kept("gw_id");
  }

  function save() {
    keep("gw_queue", queue.length ? JSON.stringify(queue) : "");
  }

  function noteClick() {
    var found = (location.search + location.hash).match(/[?&#]gw=([\w-]{8,64})/);
    if (found) keep("gw_click", found[1]);
  }

  function add(type, more) {
    noteClick();
    var message = { type: type, messageId: random(), anonymousId: anonymousId(), timestamp: new Date().toISOString() };
    if (kept("gw_user")) message.userId = kept("gw_user");
    message.context = {
      library: { name: "goodword.js", version: api.version },
      page: { url: location.href, path: location.pathname, search: location.search, referrer: document.referrer, title: document.title },
      locale: navigator.language,
      userAgent: navigator.userAgent
    };
    if (kept("gw_click")) message.context.goodword = { click_id: kept("gw_click") };
    for (var name in more) if (more[name] !== undefined) message[name] = more[name];
    queue.push(message);
    if (queue.length > KEPT_MAX) queue.shift();
    save();
    send();
    return api;
  }

  function body(message) {
    return JSON.stringify(Object.assign({ writeKey: said.key, sentAt: new Date().toISOString() }, message));
  }

  /* One after the other. What fails by the network or by a server under load is sent again: its messageId makes it count once. */
  function send() {
    if (sending || !allowed || !queue.length || navigator.onLine === false) return;
    var message = queue[0];
    sending = true;
    clearTimeout(timer);
    fetch(host + "/v1/" + message.type, {
      method: "POST", body: body(message), headers: { "Content-Type": "text/plain" }, keepalive: true, credentials: "omit"
    }).then(function (answer) {
      if (answer.status === 429 || answer.status >= 500) throw answer;
      drop([message]);
      failures = sending = 0;
      send();
    }).catch(function () {
      sending = false;
      timer = setTimeout(send, WAITS_MS[Math.min(failures++, WAITS_MS.length - 1)]);
    });
  }

  function drop(gone) {
    queue = queue.filter(function (message) { return gone.indexOf(message) < 0; });
    save();
  }

  /* A page that is left hands over what still waits. */
  function leave() {
    var waiting = queue.slice(sending ? 1 : 0);
    if (!allowed || !waiting.length || !navigator.sendBeacon) return;
    if (navigator.sendBeacon(host + "/v1/batch", body({ batch: waiting }))) drop(waiting);
  }

  var api = {
    version: "1.0.0",
    page: function (name, properties) {
      return add("page", { name: name, properties: Object.assign({ url: location.href, path: location.pathname, title: document.title }, properties) });
    },
    track: function (event, properties) { return add("track", { event: String(event), properties: properties || {} }); },
    identify: function (userId, traits) {
      if (userId && typeof userId === "object") { traits = userId; userId = ""; }
      if (userId) keep("gw_user", String(userId));
      return add("identify", { traits: traits || {} });
    },
    /* consent() starts what waited for it; consent(false) forgets everything and stops. */
    consent: function (given) {
      if (given === false) {
        allowed = true;
        api.reset();
        keep("gw_ok", "");
        queue = [];
        save();
        allowed = false;
        return api;
      }
      allowed = true;
      keep("gw_ok", "1");
      for (var name in memory) keep(name, memory[name]);
      send();
      return api;
    },
    reset: function () {
      ["gw_id", "gw_click", "gw_user"].forEach(function (name) { keep(name, ""); });
      return api;
    },
    push: function (call) { if (api[call[0]]) api[call[0]].apply(api, call.slice(1)); },
    anonymousId: anonymousId,
    clickId: function () { return kept("gw_click"); }
  };

  window.goodword = api;
  try {
    queue = JSON.parse(kept("gw_queue") || "[]");
  } catch (broken) {}
  window.addEventListener("online", send);
  window.addEventListener("pagehide", leave);
  noteClick();
  if (said.page !== "off") api.page();
  /* Calls made before this script came: window.goodword = [["track", "Signed Up"]] */
  if (Array.isArray(before)) before.forEach(api.push);
  send();
})(window, document);
