// Shows times relative to now, and puts in each update that the server sends. The page works without it.
(() => {
  "use strict";
  const main = document.getElementById("main");
  const live = document.getElementById("live");
  const liveWords = document.getElementById("live-words");
  const said = document.getElementById("said");
  const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
  const units = [["day", 86400], ["hour", 3600], ["minute", 60]];

  const words = (time) => {
    const seconds = Math.round((time - Date.now()) / 1000);
    if (seconds > 0) return `${clock(time)} (${distance(seconds)})`;
    return distance(seconds);
  };

  const clock = (time) => {
    const far = time - Date.now() > 12 * 3600 * 1000;
    return new Date(time).toLocaleString("en-GB", { ...(far && { dateStyle: "medium" }), timeStyle: "short" });
  };

  const distance = (seconds) => {
    for (const [unit, length] of units) {
      if (Math.abs(seconds) >= length) return relative.format(Math.trunc(seconds / length), unit);
    }
    return seconds > 0 ? `in ${seconds} s` : "just now";
  };

  const tellTimes = () => {
    for (const element of document.querySelectorAll("time[datetime]")) {
      if (!element.title) element.title = element.textContent;
      const text = words(Date.parse(element.dateTime));
      if (element.textContent !== text) element.textContent = text;
    }
  };

  const summary = () => main.querySelector("[data-summary]")?.dataset.summary ?? "";

  const update = (html) => {
    const before = summary();
    const focused = main.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
    main.innerHTML = html;
    if (focused) main.querySelector(`a[href="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
    tellTimes();
    if (summary() !== before) said.textContent = summary();
  };

  const show = (state, text) => {
    live.dataset.live = state;
    liveWords.textContent = text;
  };

  tellTimes();
  setInterval(tellTimes, 1000);
  const events = new EventSource(document.body.dataset.events);
  events.addEventListener("open", () => show("on", "Live"));
  events.addEventListener("error", () => {
    const ended = events.readyState === EventSource.CLOSED;
    show("lost", ended ? "No more updates; load the page again" : "Connection lost; trying again");
  });
  events.addEventListener("update", (event) => update(event.data));
})();
