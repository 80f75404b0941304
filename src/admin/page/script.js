// Replaces the content by what the edge renders now. Without this script the page is complete, and shows one moment.
"use strict";
const INTERVAL = 2000;
const refresh = async () => {
  const state = document.getElementById("connection");
  try {
    if (!document.hidden) {
      const answer = await fetch(location.href, { headers: { accept: "text/html" }, cache: "no-store" });
      if (!answer.ok) throw new Error(answer.statusText);
      const next = new DOMParser().parseFromString(await answer.text(), "text/html");
      for (const part of document.querySelectorAll("main > [id]")) {
        const newer = next.getElementById(part.id);
        // Unchanged parts keep their focus, selection and scroll position.
        if (newer && !part.isEqualNode(newer)) part.replaceChildren(...newer.childNodes);
      }
      state.textContent = "updated every 2 s";
    }
  } catch {
    state.textContent = "the edge does not respond: this is its last state";
  }
  setTimeout(refresh, INTERVAL);
};
setTimeout(refresh, INTERVAL);
