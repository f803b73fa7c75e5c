// Votes without a new page. Every form works without this file; here its answer is read and put in place.
"use strict";

(() => {
  const busy = new Map(); // form -> the press that came while another one was under way

  const say = (form, words, error) => {
    const note = form.querySelector("[role=status]");
    note.className = error ? "note note-error" : "note";
    note.textContent = words;
  };

  const replace = (page) => {
    for (const old of document.querySelectorAll("[data-live]")) {
      const fresh = page.querySelector(`[data-live="${CSS.escape(old.dataset.live)}"]`);
      if (!fresh) continue;
      if (old.matches("form")) update(old, fresh);
      else old.replaceWith(fresh);
    }
  };

  // The form itself stays, so that focus stays and the live region is heard.
  const update = (form, fresh) => {
    for (const button of form.querySelectorAll("[aria-pressed]")) {
      const now = fresh.querySelector(`[aria-pressed][value="${button.value}"]`);
      button.setAttribute("aria-pressed", now.getAttribute("aria-pressed"));
    }
    const note = form.querySelector("[role=status]");
    const said = fresh.querySelector("[role=status]");
    note.className = said.className;
    if (note.textContent !== said.textContent) note.textContent = said.textContent;
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
      const answer = await fetch(form.action, { method: "POST", body, headers: { Accept: "text/html" } });
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      if (answer.ok) replace(page);
      else say(form, page.querySelector(".note")?.textContent ?? "Your vote was not counted. Load the page again and press once more.", true);
    } catch {
      say(form, "Your vote did not reach us. Check the connection and press again.", true);
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
