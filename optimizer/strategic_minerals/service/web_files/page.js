"use strict";
const live = document.getElementById("live");
if (live) {
  const points = [];
  const text = (value, digits) => value.toLocaleString("en", { maximumFractionDigits: digits });
  const line = (name, x, y) => points.filter((p) => p[name] !== null)
    .map((p, n) => `${n ? "L" : "M"}${x(p.seconds).toFixed(1)},${y(p[name]).toFixed(1)}`).join("");
  const draw = () => {
    const values = points.flatMap((p) => [p.incumbent_musd, p.bound_musd]).filter((v) => v !== null);
    if (!values.length) return;
    live.classList.remove("waiting");
    const [low, high] = [Math.min(...values), Math.max(...values)], last = Math.max(points.at(-1).seconds, 0.1);
    const x = (s) => 10 + 620 * s / last, y = (v) => 210 - 200 * (high > low ? (v - low) / (high - low) : 0.5);
    for (const [id, name] of [["incumbent", "incumbent_musd"], ["bound", "bound_musd"]]) {
      document.getElementById(id).setAttribute("d", line(name, x, y));
    }
  };
  const source = new EventSource(live.dataset.events);
  source.addEventListener("status", (event) => {
    const job = JSON.parse(event.data), progress = job.progress;
    document.getElementById("state").textContent = job.stopping ? "stopping" : job.state;
    document.getElementById("state").className = "state " + job.state;
    const doing = [];
    if (job.position) doing.push(`position ${job.position} in the queue`);
    if (progress && progress.phase) doing.push(progress.phase);
    if (progress && progress.of) doing.push(`${progress.done} of ${progress.of}`);
    if (progress && progress.seconds) doing.push(`${text(progress.seconds, 0)} s`);
    document.getElementById("doing").textContent = doing.join(", ");
    if (progress) {
      document.getElementById("known").textContent = progress.words || "";
      points.push(progress);
      const figures = [];
      if (progress.incumbent_musd !== null) figures.push(`best plan so far: ${text(-progress.incumbent_musd, 1)} million USD`);
      if (progress.bound_musd !== null) figures.push(`best possible: ${text(-progress.bound_musd, 1)}`);
      if (progress.gap !== null) figures.push(`gap ${text(100 * progress.gap, 2)} %`);
      document.getElementById("figures").textContent = figures.length ? "(" + figures.join(", ") + ")" : "";
      draw();
    }
    if (!["queued", "running"].includes(job.state)) { source.close(); location.reload(); }
  });
}
const form = document.getElementById("plan-form");
if (form) {
  // after each change the plan is checked, and faults appear beside their fields
  let latest = 0;
  const others = document.getElementById("others-list"), said = document.getElementById("said");
  const check = async () => {
    const mine = ++latest, body = new URLSearchParams(new FormData(form));
    body.set("action", "check");
    let found;
    try {
      const answer = await fetch(form.getAttribute("action"), { method: "POST", body, headers: { Accept: "application/json" } });
      if (!answer.ok) return;
      found = await answer.json();
    } catch { return; }
    if (mine !== latest) return;
    for (const field of form.querySelectorAll("[aria-describedby]")) {
      const told = found.near[field.name] || [], place = document.getElementById("wrong-" + field.name);
      place.textContent = told.join(" ");
      place.hidden = !told.length;
      if (told.length) field.setAttribute("aria-invalid", "true"); else field.removeAttribute("aria-invalid");
    }
    const count = found.others.length;
    others.hidden = !count;
    others.querySelector("h2").textContent = `${count} fault${count === 1 ? "" : "s"}`;
    others.querySelector("ul").replaceChildren(...found.others.map((text) => {
      const item = document.createElement("li");
      item.textContent = text;
      return item;
    }));
    said.hidden = !found.said;
    said.textContent = found.said;
  };
  form.addEventListener("change", (event) => { if (event.target.hasAttribute("aria-describedby")) check(); });
}
