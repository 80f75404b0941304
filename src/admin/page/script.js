// Renews the page with what the edge renders now, and draws charts. Without this script the page is complete, and shows one moment.
"use strict";
const INTERVAL = 2000;
const SVG = "http://www.w3.org/2000/svg";
const THEMES = ["auto", "dark", "light"];
const $ = (id) => document.getElementById(id);

// The theme, before anything is painted. Storage may be denied.
const stored = () => { try { return localStorage.getItem("theme"); } catch { return null; } };
const store = (theme) => { try { localStorage.setItem("theme", theme); } catch { /* Lasts until the page is closed. */ } };
let theme = THEMES.includes(stored()) ? stored() : "auto";
const show = () => {
  document.documentElement.dataset.theme = theme;
  const button = $("theme");
  if (button) button.textContent = "Theme: " + theme;
};
show();

const get = async (url, accept) => {
  const answer = await fetch(url, { headers: { accept }, cache: "no-store" });
  if (!answer.ok) throw new Error(answer.statusText);
  return answer;
};

// Unchanged parts keep their focus, selection and scroll position.
const renew = (text) => {
  const next = new DOMParser().parseFromString(text, "text/html");
  for (const part of document.querySelectorAll("[data-live]")) {
    const newer = next.getElementById(part.id);
    if (!newer || part.isEqualNode(newer)) continue;
    const focused = part.contains(document.activeElement) && document.activeElement.getAttribute("href");
    const was = part.querySelector("details");
    part.replaceChildren(...newer.childNodes);
    const is = part.querySelector("details");
    if (is) is.open = was?.open ?? false;
    if (focused) [...part.querySelectorAll("a")].find((link) => link.getAttribute("href") === focused)?.focus();
  }
};

const short = (value) => value >= 100 ? Math.round(value).toString() : +value.toPrecision(2) + "";
const last = (values) => values.findLast((value) => value !== null) ?? 0;

// One chart of several lines: [name, values]. Names are set as text only.
const draw = (figure, unit, lines, slots) => {
  const svg = document.createElementNS(SVG, "svg");
  const highest = Math.max(...lines.flatMap(([, values]) => values), 0);
  const add = (d, kind) => {
    const path = document.createElementNS(SVG, "path");
    path.setAttribute("d", d);
    path.setAttribute("class", kind);
    svg.append(path);
  };
  svg.setAttribute("viewBox", "0 0 " + slots + " 100");
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("aria-hidden", "true");
  add("M0 100H" + slots, "axis");
  lines.forEach(([, values], line) => {
    let d = "", pen = "M";
    values.forEach((value, at) => {
      if (value === null) { pen = "M"; return; }
      const x = slots - values.length + at + 1;
      const y = highest ? 98 - value / highest * 94 : 98;
      // A single point is a short line.
      d += pen === "M" ? "M" + (x - .5) + " " + y.toFixed(1) + "H" + x : "L" + x + " " + y.toFixed(1);
      pen = "L";
    });
    if (d) add(d, "c" + line);
  });
  const legend = document.createElement("ul");
  legend.className = "legend";
  lines.forEach(([name, values], line) => {
    const item = document.createElement("li");
    item.className = "c" + line;
    item.textContent = name + " " + short(last(values));
    legend.append(item);
  });
  figure.querySelector(".quiet").textContent = "highest " + short(highest) + " " + unit;
  figure.querySelector("div").replaceChildren(svg, legend);
};

const sum = (lines) => (lines[0]?.values ?? []).map((_, at) => lines.reduce((all, line) => all + line.values[at], 0));
const charts = ({ interval_seconds, requests, refusals, p50_milliseconds, p99_milliseconds, connections }) => {
  const slots = 600 / interval_seconds + 1;
  const named = refusals.slice(0, 4).map((line) => [line.name, line.values]);
  if (refusals.length > 4) named.push(["others", sum(refusals.slice(4))]);
  draw($("chart-requests"), "/s", requests.map((line) => [line.name.replaceAll("_", " "), line.values]), slots);
  draw($("chart-refusals"), "/s", named.length ? named : [["none", connections.map(() => 0)]], slots);
  draw($("chart-latency"), "ms", [["p50", p50_milliseconds], ["p99", p99_milliseconds]], slots);
  draw($("chart-connections"), "", [["open", connections]], slots);
  const all = document.querySelector(".charts");
  if (!all.hidden) return;
  all.hidden = false;
  const table = document.querySelector("#traffic details");
  if (table) table.open = false;
};

let timer, turn = 0;
const refresh = async () => {
  clearTimeout(timer);
  const mine = ++turn;
  try {
    if (!document.hidden) {
      const url = location.href;
      const [page, history] = await Promise.all([
        get(url, "text/html").then((answer) => answer.text()),
        get("/status/history", "application/json").then((answer) => answer.json()),
      ]);
      // An answer that a later request has overtaken is dropped.
      if (mine !== turn) return;
      renew(page);
      charts(history);
      $("connection").textContent = "updated every 2 s";
    }
  } catch {
    if (mine !== turn) return;
    $("connection").textContent = "the edge does not respond: this is its last state";
  }
  timer = setTimeout(refresh, INTERVAL);
};

// Other applications without loading the page again.
const go = (url) => {
  history.replaceState(null, "", url);
  refresh();
};

document.addEventListener("DOMContentLoaded", () => {
  const button = $("theme"), form = document.querySelector("form"), search = form.elements.q;
  button.hidden = false;
  show();
  button.addEventListener("click", () => {
    theme = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length];
    store(theme);
    show();
  });
  const submit = () => {
    const query = new URLSearchParams([...new FormData(form)].filter(([, value]) => value));
    go("/status" + (query.size ? "?" + query : ""));
  };
  form.addEventListener("submit", (event) => { event.preventDefault(); submit(); });
  form.addEventListener("input", submit);
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-list]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    form.elements.sort.value = new URL(link.href).searchParams.get("sort") ?? "";
    go(link.href);
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "/" && !event.target.closest("input,select") && !event.ctrlKey && !event.metaKey) {
      event.preventDefault();
      search.focus();
    } else if (event.key === "Escape" && event.target === search) {
      search.value = "";
      submit();
    }
  });
  document.addEventListener("visibilitychange", () => { if (!document.hidden) refresh(); });
  refresh();
});
