// Live parts and chosen rows. Every page works without this file; here it refreshes itself and counts as one chooses.
"use strict";

(() => {
  // ---- live parts: asked for while somebody looks, put in place only when they changed ----
  const follow = (part) => {
    const wait = Math.max(1, Number(part.dataset.every || 2)) * 1000;
    let etag = "";
    let held = 0;

    const isInUse = () => part.contains(document.activeElement);

    const ask = async () => {
      if (document.visibilityState !== "visible" || isInUse()) return;
      const headers = { "X-Live": "part", ...(etag && { "If-None-Match": etag }) };
      const answer = await fetch(part.dataset.live, { headers, redirect: "error", cache: "no-store" });
      const html = answer.status === 200 ? await answer.text() : null;
      if (html !== null && !isInUse()) { // the focus may have come meanwhile, and would be lost
        etag = answer.headers.get("ETag") || "";
        part.innerHTML = html;
      }
      held = answer.ok || answer.status === 304 ? 0 : held + 1;
    };
    const turn = () => ask().catch(() => { held += 1; }).finally(() => setTimeout(turn, wait * Math.min(2 ** held, 30)));
    setTimeout(turn, wait);
  };
  document.querySelectorAll("[data-live]").forEach(follow);

  // ---- chosen rows: a group stands for all of its own, and the bar counts rows, not groups ----
  const choose = (form) => {
    const bar = form.querySelector(".bulk");
    const boxes = [...form.querySelectorAll("input[type=checkbox][data-count]")];
    const every = form.querySelector("input[type=checkbox][data-every]");
    const all = form.querySelector("input[type=checkbox][data-all]");
    const number = new Intl.NumberFormat("en");

    const parts = (group) => boxes.filter((box) => box.dataset.in && box.dataset.in === group.dataset.group);
    const count = () => {
      if (all && all.checked) return Number(all.dataset.all);
      const groups = new Set(boxes.filter((box) => box.checked && box.dataset.group).map((box) => box.dataset.group));
      return boxes.filter((box) => box.checked && !groups.has(box.dataset.in))
        .reduce((sum, box) => sum + Number(box.dataset.count), 0);
    };
    const show = () => {
      const chosen = count();
      bar.classList.toggle("idle", !chosen);
      for (const box of boxes) box.closest("tr")?.classList.toggle("on", box.checked);
      const noun = bar.dataset.noun + (chosen === 1 ? "" : "s");
      bar.querySelector("[data-chosen]").textContent = `${number.format(chosen)} ${noun} chosen`;
      for (const button of bar.querySelectorAll("[data-verb]")) {
        button.textContent = `${button.dataset.verb} ${number.format(chosen)}…`;
        button.disabled = !chosen;
      }
    };
    form.addEventListener("change", (event) => {
      const box = event.target;
      if (box === every) for (const one of boxes) one.checked = box.checked;
      if (box.dataset.group) for (const one of parts(box)) one.checked = box.checked;
      if (box.dataset.in && !box.checked) {
        for (const one of boxes) if (one.dataset.group === box.dataset.in) one.checked = false;
      }
      show();
    });
    form.addEventListener("reset", () => setTimeout(() => {
      for (const box of form.querySelectorAll("input[type=checkbox]")) box.checked = false;
      show();
    }));
    show();
  };
  for (const bar of document.querySelectorAll("form .bulk")) choose(bar.closest("form"));
})();
