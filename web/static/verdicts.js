// Sends votes without a page load. Every form also works without this file; here the response replaces parts of the page.
"use strict";

(() => {
  const busy = new Map(); // form -> the choice pressed while a request was in flight
  const LONGEST_TURN = 15000; // ms
  let known = Boolean(document.querySelector("form.vote [aria-pressed=true]")); // whether the voter's cookie is there
  let last = Promise.resolve();

  // A browser's first vote brings its cookie, so a second one waits for that answer: without the cookie it would be
  // another voter's. Other tabs wait too, where the browser has locks (on https). Nobody waits for long.
  const inTurn = (post) => {
    if (known) return post();
    const turn = last.then(() => (known || !navigator.locks ? post() : alone(post)));
    last = Promise.race([turn.catch(() => {}), new Promise((go) => setTimeout(go, LONGEST_TURN))]);
    return turn;
  };

  const alone = (post) => {
    const patience = new AbortController();
    setTimeout(() => patience.abort(), LONGEST_TURN);
    let begun = false;
    const first = () => { begun = true; return post(); };
    return navigator.locks.request("first vote", { signal: patience.signal }, first).catch((error) => {
      if (begun) throw error;
      return post();
    });
  };

  const say = (form, words, error) => {
    const note = form.querySelector("[role=status]");
    note.className = error ? "note note-error" : "note";
    note.textContent = words;
  };

  const replace = (page, sender) => {
    for (const old of document.querySelectorAll("[data-live]")) {
      const fresh = page.querySelector(`[data-live="${CSS.escape(old.dataset.live)}"]`);
      if (!fresh) continue;
      if (old.matches("form")) update(old, fresh, sender);
      else old.replaceWith(fresh);
    }
  };

  // The form element itself stays, so that it keeps focus and screen readers announce the live region.
  const update = (form, fresh, sender) => {
    for (const button of form.querySelectorAll("[aria-pressed]")) {
      const now = fresh.querySelector(`[aria-pressed][value="${button.value}"]`);
      button.setAttribute("aria-pressed", now.getAttribute("aria-pressed"));
    }
    const note = form.querySelector("[role=status]");
    const said = fresh.querySelector("[role=status]");
    if (form === sender || !note.matches(".note-error")) { // what went wrong with another vote stays readable
      note.className = said.className;
      if (note.textContent !== said.textContent) note.textContent = said.textContent;
    }
    const withdraw = form.querySelector(".link");
    const offered = fresh.querySelector(".link");
    if (offered && !withdraw) note.after(" ", offered);
    if (withdraw && !offered) {
      if (document.activeElement === withdraw) form.querySelector(".btn").focus();
      withdraw.remove();
    }
  };

  const send = async (form, choice) => {
    if (busy.has(form)) return busy.set(form, choice);
    busy.set(form, null);
    form.setAttribute("aria-busy", "true");
    const body = new URLSearchParams(new FormData(form));
    body.set("choice", choice);
    try {
      const answer = await inTurn(() => fetch(form.action, { method: "POST", body, headers: { Accept: "text/html" } }));
      if (answer.ok && choice !== "withdraw") known = true;
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      if (answer.ok) replace(page, form);
      else say(form, page.querySelector(".note")?.textContent ?? "Your vote wasn’t counted. Reload the page and try again.", true);
    } catch {
      say(form, "Your vote didn’t reach us. Check your connection and try again.", true);
    }
    form.removeAttribute("aria-busy");
    const next = busy.get(form);
    busy.delete(form);
    if (next) send(form, next);
  };

  document.addEventListener("submit", (event) => {
    const { target, submitter } = event;
    if (!target.matches("form.vote") || submitter?.name !== "choice") return;
    event.preventDefault();
    send(target, submitter.value);
  });
})();
