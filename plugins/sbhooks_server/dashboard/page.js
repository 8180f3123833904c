// Makes the page move. It works without: the server has written everything already.
// Text of others is only ever set as text, or comes escaped from the server.

const badge = document.getElementById("badge");
const live = document.getElementById("live");
const MOST_EVENTS = 20;
const LEAST_MS = 2000; // between two fetches of the page
const FRESH_MS = 60000; // what plugins found may be newer although nothing was stored
const STYLES = {success: "good", failure: "bad", error: "bad", timeout: "bad", killed: "bad"};
const SILENT_MS = 6000; // the server says something each second
let position = Number(live.dataset.position);
let seen = new Date();
let wait = 500;
let dirty = false;
let fetching = false;
let shown = position;

const clock = (at) => at.toLocaleTimeString([], {hour: "2-digit", minute: "2-digit", second: "2-digit"});

function tell(state, text) {
  if (badge.className === state && badge.textContent === text) return;
  badge.className = state;
  badge.textContent = text;
}

function localTimes(root) {
  for (const time of root.querySelectorAll("time")) {
    const at = new Date(time.dateTime);
    if (isNaN(at)) continue;
    time.title ||= time.textContent || at.toISOString();
    const today = at.toDateString() === new Date().toDateString();
    const year = at.getFullYear() === new Date().getFullYear() ? undefined : "numeric";
    time.textContent = today ? clock(at)
      : at.toLocaleString([], {day: "numeric", month: "short", year, hour: "2-digit", minute: "2-digit"});
  }
}

// --- live -------------------------------------------------------------------------------

function listen() {
  const socket = new WebSocket(location.origin.replace(/^http/, "ws") + "/ws");
  socket.onopen = () =>
    socket.send(JSON.stringify({type: "subscribe", events: true, after: position}));
  socket.onmessage = (message) => heard(JSON.parse(message.data));
  socket.onclose = () => {
    tell("stale", `stale since ${clock(seen)}`);
    setTimeout(listen, wait * (1 + Math.random()));
    wait = Math.min(wait * 2, 30000);
  };
}

function heard(message) {
  seen = new Date();
  wait = 500;
  if (badge.className !== "live" && !fetching) tell("live", "live");
  if (message.type === "event") {
    position = message.position;
    if (live.dataset.filtered === "0") message.data.forEach(addEvent);
  }
  if (message.type === "missed" || (message.position ?? shown) > shown) refresh();
}

function ended(event) {
  const cut = ["killed", "interrupted"].includes(event.failure?.fingerprint);
  if (event.kind === "test-result" && (cut || event.outcome === "cancellation")) return "interrupted";
  if (event.kind === "session-end" && event.reason === "killed") return "killed";
  return {cancellation: "cancelled", skip: "skipped"}[event.outcome] ?? event.outcome ?? "–";
}

function addEvent(event) {
  const body = document.getElementById("events");
  if (!body) return; // the page had none; it is fetched again anyway
  const row = document.createElement("tr");
  row.className = "new";
  const time = document.createElement("time");
  time.dateTime = event.at;
  const what = event.test ?? event.skill ?? event.stage ?? event.phase_to ?? event.tool ?? event.reason ?? "–";
  const outcome = document.createElement("span");
  outcome.textContent = ended(event);
  outcome.className = `outcome ${STYLES[outcome.textContent] ?? "other"}`;
  const cells = [time, outcome, "–", event.params ? `${what}[${event.params}]` : what, event.kind];
  for (const cell of cells) row.insertCell().append(cell);
  row.cells[2].className = "n";
  row.cells[3].className = "name";
  localTimes(row);
  body.prepend(row);
  while (body.rows.length > MOST_EVENTS) body.deleteRow(-1);
}

// --- the page again, from the server ---------------------------------------------------------

async function refresh() {
  if (fetching || document.hidden) {
    dirty = true;
    return;
  }
  fetching = true;
  dirty = false;
  const main = document.getElementById("main");
  main.setAttribute("aria-busy", "true");
  let well = false;
  try {
    const answer = await fetch(location.href);
    if (!answer.ok) throw new Error(String(answer.status));
    take(new DOMParser().parseFromString(await answer.text(), "text/html"));
    seen = new Date();
    well = true;
  } catch {
    tell("stale", `stale since ${clock(seen)}`);
  }
  main.removeAttribute("aria-busy");
  setTimeout(() => {
    fetching = false;
    if (dirty || !well) refresh();
  }, well ? LEAST_MS : LEAST_MS * 3);
}

function take(fresh) {
  shown = Math.max(shown, Number(fresh.getElementById("live").dataset.position));
  for (const section of document.querySelectorAll("main > section")) {
    const other = fresh.getElementById(section.id);
    if (!other) continue;
    const open = [...section.querySelectorAll("details[open]")].map((one) => one.id);
    const inside = section.contains(document.activeElement);
    if (inside || section.querySelector(".plot.on")) continue; // somebody is reading there
    localTimes(other);
    section.replaceChildren(...other.childNodes);
    for (const id of open) document.getElementById(id)?.setAttribute("open", "");
  }
  tell("live", "live");
}

// --- a cursor for charts: arrow keys, or the mouse ----------------------------------------------

const rowsOf = (plot) => [...plot.parentElement.querySelectorAll("tbody tr")];

function point(plot, index) {
  const rows = rowsOf(plot);
  const row = rows[Math.max(0, Math.min(index, rows.length - 1))];
  if (!row) return;
  plot.dataset.at = rows.indexOf(row);
  plot.classList.add("on");
  plot.querySelector(".cursor").setAttribute("transform", `translate(${row.dataset.x} 0)`);
  const heads = [...plot.parentElement.querySelectorAll("thead th")].map((head) => head.textContent);
  const parts = [...row.cells].map((cell, place) => (place ? `${heads[place]} ${cell.textContent}` : cell.textContent));
  plot.querySelector("output").textContent = parts.join(", ");
}

function away(plot) {
  plot.classList.remove("on");
  plot.querySelector("output").textContent = "";
}

document.addEventListener("keydown", (event) => {
  const plot = event.target.closest?.(".plot");
  if (!plot || event.ctrlKey || event.metaKey || event.altKey) return;
  const last = rowsOf(plot).length - 1;
  const at = plot.dataset.at === undefined ? last + 1 : Number(plot.dataset.at);
  const to = {ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: last}[event.key];
  if (event.key === "Escape") away(plot);
  if (to === undefined) return;
  event.preventDefault();
  point(plot, to);
});

document.addEventListener("pointermove", (event) => {
  const plot = event.target.closest?.(".plot");
  if (!plot) return;
  const box = plot.querySelector("svg").getBoundingClientRect();
  const x = ((event.clientX - box.left) / box.width) * plot.querySelector("svg").viewBox.baseVal.width;
  const distance = (row) => Math.abs(Number(row.dataset.x) - x);
  const rows = rowsOf(plot);
  point(plot, rows.reduce((best, row, index) => (distance(row) < distance(rows[best]) ? index : best), 0));
});

document.addEventListener("focusout", (event) => {
  const plot = event.target.closest?.(".plot");
  if (plot) away(plot);
});
document.addEventListener("pointerout", (event) => {
  const plot = event.target.closest?.(".plot");
  if (plot && !plot.contains(event.relatedTarget) && plot !== document.activeElement) away(plot);
});

document.addEventListener("visibilitychange", () => {
  if (dirty) refresh();
});
setInterval(refresh, FRESH_MS);
setInterval(() => {
  if (new Date() - seen > SILENT_MS) tell("stale", `stale since ${clock(seen)}`);
}, 1000);
localTimes(document);
listen();
